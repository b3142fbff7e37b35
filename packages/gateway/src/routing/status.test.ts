import { expect, test } from "vitest";
import type { ReplicaStateName } from "./scheduler/events.ts";
import { unknownVersions } from "./scheduler/replicas/replica.ts";
import type { PoolReport, SchedulerStatus } from "./scheduler/status.ts";
import { isReadyAt, readyCount } from "./status.ts";

function pool(model: string, states: Readonly<Record<string, ReplicaStateName>>): PoolReport {
  return {
    model,
    region: "r",
    waiting: 0,
    roundTripMs: 0,
    isOverloaded: false,
    replicas: Object.entries(states).map(([id, state]) => ({
      id,
      state,
      inFlight: 0,
      slots: 1,
      answered: 0,
      failed: 0,
      ejections: 0,
      versions: unknownVersions,
    })),
  };
}

const status = (...pools: readonly PoolReport[]): SchedulerStatus => ({ pools, retriesLeft: 0 });

test("replicas of a model are counted in all of its pools, where calls go to them", () => {
  const all = status(
    pool("a", { x: "ready", y: "half-open", z: "draining" }),
    pool("a", { v: "ready", w: "suspect" }),
    pool("b", { u: "ready" }),
  );

  expect(readyCount(all, "a")).toBe(3);
  expect(readyCount(all, "a", new Set(["x", "w"]))).toBe(2);
  expect(isReadyAt(all, "a", "y")).toBe(true);
  expect(isReadyAt(all, "a", "z")).toBe(false);
  expect(isReadyAt(all, "b", "x")).toBe(false);
});
