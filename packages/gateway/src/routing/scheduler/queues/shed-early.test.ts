import { expect, test } from "vitest";
import { schedulerSettings } from "../../settings.ts";
import type { SchedulerCommand, SchedulerEvent } from "../events.ts";
import { createScheduler } from "../scheduler.ts";
import { arrival } from "../testing.ts";

interface Load {
  /** Whether each request is asked for before it arrives. */
  readonly isAsked: boolean;
  readonly perSecond: number;
}

/** Runs a replica that works on eight requests for 80 ms each, which is 100 a second, for three seconds. */
function run({ isAsked, perSecond }: Load) {
  const scheduler = createScheduler(schedulerSettings({ pacing: false }, { ownRegion: "here" }));
  const due: { atMs: number; event: SchedulerEvent }[] = [];
  const at = (atMs: number, event: SchedulerEvent) => {
    const index = due.findIndex((each) => each.atMs > atMs);
    due.splice(index < 0 ? due.length : index, 0, { atMs, event });
  };
  const counts = { answered: 0, turnedAway: 0, rejectedOnArrival: 0, rejectedLater: 0 };
  const freeMs = new Float64Array(8);
  let nowMs = 0;

  function carryOut(command: SchedulerCommand, arriving: number | undefined): void {
    if (command.type === "wake") at(command.atMs, { type: "tick" });
    if (command.type === "probe")
      at(nowMs, { type: "probed", model: "m", replicaId: "a", finding: "ready", roundTripMs: 0.1 });
    if (command.type === "send") {
      freeMs.sort();
      freeMs[0] = Math.max(nowMs, freeMs[0] ?? 0) + 80;
      at(freeMs[0], { type: "answered", attemptId: command.attemptId });
    }
    if (command.type === "settle") counts.answered += 1;
    if (command.type !== "reject") return;
    if (command.id === arriving) counts.rejectedOnArrival += 1;
    else counts.rejectedLater += 1;
  }

  const pool = { model: "m", region: "here", replicaIds: ["a"], isGateway: false } as const;
  at(0, { type: "pools", pools: [{ ...pool, parallelism: 8 }] });
  for (let id = 1; id <= 3 * perSecond; id += 1)
    at(1 + (1_000 * id) / perSecond, { type: "arrival", request: arrival(id) });
  for (let next = due.shift(); next && nowMs < 3_000; next = due.shift()) {
    nowMs = next.atMs;
    const { event } = next;
    const request = event.type === "arrival" ? event.request : undefined;
    if (request && isAsked && scheduler.shedEarly(request, nowMs) !== undefined) {
      counts.turnedAway += 1;
      continue;
    }
    for (const command of scheduler.handle(event, nowMs)) carryOut(command, request?.id);
  }
  return counts;
}

test("what would be rejected on arrival is rejected before it, and the others fare as ever", () => {
  const asked = run({ isAsked: true, perSecond: 300 });
  const ever = run({ isAsked: false, perSecond: 300 });

  expect(ever.rejectedOnArrival).toBeGreaterThan(300);
  expect(asked.rejectedOnArrival).toBe(0);
  expect(asked).toEqual({ ...ever, turnedAway: ever.rejectedOnArrival, rejectedOnArrival: 0 });
});

test("nothing is rejected while there is room", () => {
  expect(run({ isAsked: true, perSecond: 80 })).toMatchObject({ turnedAway: 0, rejectedLater: 0 });
});

test("a request is not rejected where one of a lower class gives way to it", () => {
  const settings = schedulerSettings({ maxWaiting: 1, pacing: false }, { ownRegion: "here" });
  const scheduler = createScheduler(settings);
  const pool = { model: "m", region: "here", replicaIds: ["a"], parallelism: 1, isGateway: false };
  scheduler.handle({ type: "pools", pools: [pool] }, 0);
  scheduler.handle({ type: "probed", model: "m", replicaId: "a", finding: "ready" }, 0);
  for (const id of [1, 2]) scheduler.handle({ type: "arrival", request: arrival(id) }, 1);
  const waiting = arrival(3, { priority: "batch" });
  scheduler.handle({ type: "arrival", request: waiting }, 1);

  expect(scheduler.shedEarly(arrival(4, { priority: "batch" }), 2)).toBeGreaterThan(0);
  expect(scheduler.shedEarly(arrival(4), 2)).toBeUndefined();
  expect(scheduler.shedEarly(arrival(4, { model: "unknown" }), 2)).toBeUndefined();
  const commands = scheduler.handle({ type: "arrival", request: arrival(4) }, 2);
  expect(commands).toMatchObject([{ type: "reject", id: 3 }]);
});
