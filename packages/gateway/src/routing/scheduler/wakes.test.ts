import { expect, test } from "vitest";
import { schedulerSettings } from "../settings.ts";
import type { SchedulerCommand } from "./events.ts";
import { createScheduler } from "./scheduler.ts";
import { arrival } from "./testing.ts";

function readyScheduler() {
  const core = createScheduler(schedulerSettings({ pacing: false }, { ownRegion: "here" }));
  const ids = ["a", "b"];
  const pool = { model: "m", region: "here", replicaIds: ids, parallelism: 1, isGateway: false };
  core.handle({ type: "pools", pools: [pool] }, 0);
  for (const replicaId of ids) {
    core.handle({ type: "probed", model: "m", replicaId, finding: "ready" }, 0);
  }
  return core;
}

const wakesIn = (commands: readonly SchedulerCommand[]) =>
  commands.flatMap((each) => (each.type === "wake" ? [each.atMs] : []));

test("a tick is asked for again only when an earlier one is wanted", () => {
  const core = readyScheduler();

  expect(wakesIn(core.handle({ type: "arrival", request: arrival(1) }, 0))).toEqual([10]);
  expect(wakesIn(core.handle({ type: "arrival", request: arrival(2) }, 1))).toEqual([]);
  const hedged = core.handle({ type: "arrival", request: arrival(3, { mayHedge: true }) }, 2);
  expect(wakesIn(hedged)[0]).toBeLessThan(10);
});

test("a tick that is too early is asked for again", () => {
  const core = readyScheduler();
  const request = arrival(1, { mayHedge: true });
  const [wantedMs = Number.NaN] = wakesIn(core.handle({ type: "arrival", request }, 0));

  expect(wakesIn(core.handle({ type: "tick" }, wantedMs - 0.6))).toEqual([wantedMs]);
});

/** Sends an attempt when it is known how long they take. @returns the commands of one tick so much later than asked */
function tickAfterSend(stallMs: number) {
  const core = readyScheduler();
  let nowMs = 0;
  for (let id = 1; id <= 60; id += 1) {
    core.handle({ type: "arrival", request: arrival(id) }, nowMs);
    nowMs += 2;
    core.handle({ type: "answered", attemptId: id }, nowMs);
  }
  core.handle({ type: "arrival", request: arrival(61) }, nowMs);
  for (const _tick of [1, 2]) {
    nowMs += 10;
    core.handle({ type: "tick" }, nowMs);
  }
  const late = core.handle({ type: "tick" }, nowMs + 10 + stallMs);
  return late.flatMap((each) => (each.type === "state-change" ? [each.change.to] : []));
}

test("no replica is suspected for an event-loop stall", () => {
  expect(tickAfterSend(14)).toEqual(["suspect"]);
  expect(tickAfterSend(200)).toEqual([]);
});
