import { expect, test } from "vitest";
import { schedulerSettings } from "../settings.ts";
import type { SchedulerCommand, SchedulerEvent } from "./events.ts";
import { createOwnLag } from "./replicas/latency.ts";
import { createScheduler } from "./scheduler.ts";
import { arrival } from "./testing.ts";

/** Ticks every 10 ms for a second, each so late. */
function ticks(lag: ReturnType<typeof createOwnLag>, fromMs: number, lateMs: number): void {
  for (let dueMs = fromMs; dueMs < fromMs + 1_000; dueMs += 10) {
    lag.dueMs = dueMs;
    lag.tick(dueMs + lateMs);
  }
}

test("the lag is the mean of late, without what every timer is late", () => {
  const lag = createOwnLag();
  expect(lag.ms(0)).toBe(0);
  ticks(lag, 0, 1);
  expect(lag.ms(1_000)).toBe(0);
  ticks(lag, 1_000, 6);

  expect(lag.ms(2_000)).toBeCloseTo(5, 2);
});

test("a lag of long ago counts for nothing, a tick that is late now counts immediately", () => {
  const lag = createOwnLag();
  ticks(lag, 0, 6);

  expect(lag.ms(1_500)).toBe(0);
  lag.dueMs = 5_000;
  expect(lag.ms(5_000)).toBe(0);
  expect(lag.ms(5_201)).toBe(200);
});

interface Load {
  /** What the gateway's own processor takes for one event, in milliseconds. */
  readonly ownMs: number;
  /** What a replica takes for one request, of which it processes eight at the same time. */
  readonly serviceMs: number;
  /** Callers who each wait for their answer, and ask again a moment after they are rejected. */
  readonly callers?: number;
  /** Requests that come in a second, whatever becomes of the others. */
  readonly perSecond?: number;
}

/** When the callers come, in milliseconds: the replica is ready by then. */
const startMs = 10;
/** Until a caller who was rejected asks again, in milliseconds. */
const pauseMs = 100;

/** Runs a scheduler for three seconds, one event after the other, as a loop with a single processor does. */
function run({ ownMs, serviceMs, callers = 0, perSecond = 0 }: Load) {
  const scheduler = createScheduler(schedulerSettings({}, { ownRegion: "here" }));
  const due: { readonly atMs: number; readonly event: SchedulerEvent }[] = [];
  const at = (atMs: number, event: SchedulerEvent) => {
    const index = due.findIndex((each) => each.atMs > atMs);
    due.splice(index < 0 ? due.length : index, 0, { atMs, event });
  };
  const counts = { answered: 0, rejected: 0 };
  /** When each of the replica's eight workers is free. */
  const freeMs = new Float64Array(8);
  let nowMs = 0;
  let lastId = 0;

  function arrive(atMs: number): void {
    lastId += 1;
    at(atMs, { type: "arrival", request: arrival(lastId) });
  }

  function carryOut(command: SchedulerCommand): void {
    if (command.type === "wake") at(command.atMs, { type: "tick" });
    if (command.type === "probe") {
      at(nowMs, { type: "probed", model: "m", replicaId: "a", finding: "ready", roundTripMs: 0.1 });
    }
    if (command.type === "send") {
      freeMs.sort();
      freeMs[0] = Math.max(nowMs, freeMs[0] ?? 0) + serviceMs;
      at(freeMs[0], { type: "answered", attemptId: command.attemptId });
    }
    if (command.type === "settle") counts.answered += 1;
    if (command.type === "reject") counts.rejected += 1;
    if (callers > 0 && command.type === "settle") arrive(nowMs);
    if (callers > 0 && command.type === "reject") arrive(nowMs + pauseMs);
  }

  const pool = { model: "m", region: "here", replicaIds: ["a"], isGateway: false } as const;
  at(0, { type: "pools", pools: [{ ...pool, parallelism: "auto" }] });
  for (let caller = 0; caller < callers; caller += 1) arrive(startMs);
  for (let count = 0; count < 3 * perSecond; count += 1)
    arrive(startMs + (1_000 * count) / perSecond);
  for (let next = due.shift(); next && nowMs < 3_000; next = due.shift()) {
    nowMs = Math.max(nowMs, next.atMs);
    const commands = scheduler.handle(next.event, nowMs);
    nowMs += ownMs;
    for (const command of commands) carryOut(command);
  }
  return counts;
}

test("callers who wait for the gateway's own processor are not rejected for it", () => {
  const { answered, rejected } = run({ ownMs: 0.25, serviceMs: 0.5, callers: 256 });

  expect(rejected).toBe(0);
  expect(answered).toBeGreaterThan(4_000);
});

test("a pool that is overloaded beside a busy processor rejects as ever", () => {
  const slow = run({ ownMs: 0.5, serviceMs: 80, perSecond: 500 });

  expect(slow.answered).toBeGreaterThan(250);
  expect(slow.rejected).toBeGreaterThan(900);
});
