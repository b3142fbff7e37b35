import { expect, test } from "vitest";
import { schedulerSettings } from "../settings.ts";
import type { SchedulerCommand, SchedulerEvent } from "./events.ts";
import { createScheduler } from "./scheduler.ts";
import { arrival } from "./testing.ts";

function readyScheduler(ids: readonly string[]) {
  const core = createScheduler(schedulerSettings({ pacing: false }, { ownRegion: "here" }));
  const pool = { model: "m", region: "here", replicaIds: ids, parallelism: 1, isGateway: false };
  core.handle({ type: "pools", pools: [pool] }, 0);
  for (const replicaId of ids) {
    core.handle({ type: "probed", model: "m", replicaId, finding: "ready" }, 0);
  }
  return core;
}

const only = <Type extends SchedulerCommand["type"]>(
  commands: readonly SchedulerCommand[],
  type: Type,
) =>
  commands.filter((each): each is Extract<SchedulerCommand, { type: Type }> => each.type === type);

test("an orphaned attempt is abandoned at the latest at the deadline of its request", () => {
  const core = readyScheduler(["a", "b"]);
  const seen: SchedulerCommand[] = [];
  const tell = (event: SchedulerEvent, atMs: number) => {
    const commands = core.handle(event, atMs);
    seen.push(...commands);
    return commands;
  };
  tell({ type: "arrival", request: arrival(1, { mayHedge: true, deadlineMs: 1_000 }) }, 0);
  for (let atMs = 10; only(seen, "send").length < 2; atMs += 10) tell({ type: "tick" }, atMs);
  const [hanging, quick] = only(seen, "send");
  tell({ type: "answered", attemptId: quick?.attemptId ?? 0 }, 100);
  for (let atMs = 110; atMs < 1_000; atMs += 10) tell({ type: "tick" }, atMs);
  expect(only(seen, "abandon")).toEqual([]);

  tell({ type: "tick" }, 1_000);

  expect(only(seen, "abandon")).toEqual([{ type: "abandon", attemptId: hanging?.attemptId }]);
});

test("an attempt whose caller has left counts no longer than its replica should work on it", () => {
  const core = readyScheduler(["a"]);
  for (const id of [1, 2]) core.handle({ type: "arrival", request: arrival(id) }, 0);
  for (const id of [1, 2]) core.handle({ type: "cancelled", id }, 1);
  expect(core.status(1).pools).toMatchObject([{ replicas: [{ inFlight: 2 }] }]);

  expect(core.status(100).pools).toMatchObject([
    { expectedWaitMs: 0, replicas: [{ inFlight: 0 }] },
  ]);
});

test("a traced request whose caller has left reports its steps; another one does not", () => {
  const core = readyScheduler(["a"]);
  core.handle({ type: "arrival", request: arrival(1, { isTraced: true }) }, 0);
  core.handle({ type: "arrival", request: arrival(2) }, 0);

  expect(only(core.handle({ type: "cancelled", id: 1 }, 5), "leave")).toMatchObject([
    { id: 1, trace: [{ step: { what: "regions" } }, { step: { what: "waits" } }, {}] },
  ]);
  expect(only(core.handle({ type: "cancelled", id: 2 }, 5), "leave")).toEqual([]);
});
