import { expect, test } from "vitest";
import { schedulerSettings } from "../settings.ts";
import type { SchedulerCommand } from "./events.ts";
import { createScheduler } from "./scheduler.ts";
import { arrival } from "./testing.ts";

const pool = (region: string, ids: readonly string[], parallelism = 1) => ({
  model: "m",
  region,
  replicaIds: ids,
  parallelism,
  isGateway: false,
});

function schedulerWith(...pools: readonly ReturnType<typeof pool>[]) {
  const core = createScheduler(schedulerSettings({ pacing: false }, { ownRegion: "here" }));
  core.handle({ type: "pools", pools }, 0);
  for (const id of pools.flatMap(({ replicaIds }) => replicaIds)) ready(core, id);
  return core;
}

function ready(core: ReturnType<typeof createScheduler>, replicaId: string) {
  return core.handle({ type: "probed", model: "m", replicaId, finding: "ready" }, 0);
}

const typesOf = (commands: readonly SchedulerCommand[]) => commands.map(({ type }) => type);

test("a replica that stays keeps its state, and is not probed again", () => {
  const core = schedulerWith(pool("here", ["a"]));
  core.handle({ type: "arrival", request: arrival(1) }, 0);

  const commands = core.handle({ type: "pools", pools: [pool("here", ["a", "b"])] }, 0);

  expect(commands.filter(({ type }) => type === "probe")).toMatchObject([{ replicaId: "b" }]);
  expect(core.status(0).pools).toMatchObject([
    {
      replicas: [
        { id: "a", state: "ready", inFlight: 1 },
        { id: "b", state: "warming" },
      ],
    },
  ]);
});

test("a replica whose parallelism is raised gets more slots", () => {
  const core = schedulerWith(pool("here", ["a"]));
  core.handle({ type: "pools", pools: [pool("here", ["a"], 4)] }, 0);
  ready(core, "a");

  expect(core.status(0).pools).toMatchObject([{ replicas: [{ slots: 8 }] }]);
});

test("a request queued for a pool whose replicas are all replaced waits for the new ones", () => {
  const core = schedulerWith(pool("here", ["a"]));
  for (const id of [1, 2, 3]) core.handle({ type: "arrival", request: arrival(id) }, 0);

  const exchanged = core.handle({ type: "pools", pools: [pool("here", ["b"])] }, 0);
  expect(typesOf(exchanged)).not.toContain("reject");
  expect(core.status(0).pools).toMatchObject([{ waiting: 1 }]);

  expect(ready(core, "b")).toContainEqual(
    expect.objectContaining({ type: "send", id: 3, replicaId: "b" }),
  );
});

test("a request queued for a removed pool goes to another region, and is rejected if there is none", () => {
  const core = schedulerWith(pool("here", ["a"]), pool("there", ["c"]));
  for (const id of [1, 2, 3]) core.handle({ type: "arrival", request: arrival(id) }, 0);

  const moved = core.handle({ type: "pools", pools: [pool("there", ["c"])] }, 0);
  expect(moved).toContainEqual(expect.objectContaining({ type: "send", id: 3, replicaId: "c" }));

  core.handle({ type: "arrival", request: arrival(4) }, 0);
  core.handle({ type: "arrival", request: arrival(5) }, 0);
  const gone = core.handle({ type: "pools", pools: [] }, 0);
  expect(gone).toContainEqual(
    expect.objectContaining({ type: "reject", id: 5, because: "no-replica" }),
  );
});

test("a replica that was removed is neither sent to nor probed when what it had in flight has ended", () => {
  const core = schedulerWith(pool("here", ["a"]));
  core.handle({ type: "arrival", request: arrival(1) }, 0);
  core.handle({ type: "arrival", request: arrival(2) }, 0);
  core.handle({ type: "pools", pools: [pool("here", ["b"])] }, 0);
  ready(core, "b");

  core.handle({ type: "answered", attemptId: 1 }, 2);
  core.handle({ type: "failed", attemptId: 2, failure: "lost" }, 2);
  const sent = core.handle({ type: "arrival", request: arrival(3) }, 3);
  const later = core.handle({ type: "tick" }, 60_000);

  expect(sent).toContainEqual(expect.objectContaining({ type: "send", replicaId: "b" }));
  const probed = later.flatMap((each) => (each.type === "probe" ? [each.replicaId] : []));
  expect(new Set(probed)).toEqual(new Set(["b"]));
});
