import { expect, test } from "vitest";
import { schedulerSettings } from "../settings.ts";
import type { ProbeFinding, RoutedPool } from "./events.ts";
import { createScheduler } from "./scheduler.ts";

const poolOf = (model: string, ...replicaIds: readonly string[]): RoutedPool => ({
  model,
  region: "here",
  replicaIds,
  parallelism: 1,
  isGateway: false,
});

function schedulerOf(...pools: readonly RoutedPool[]) {
  const scheduler = createScheduler(schedulerSettings({}, { ownRegion: "here" }));
  const setPools = (...next: readonly RoutedPool[]) =>
    scheduler.handle({ type: "pools", pools: next }, 0);
  setPools(...pools);
  return {
    setPools,
    probed: (model: string, replicaId: string, finding: ProbeFinding) =>
      scheduler.handle({ type: "probed", model, replicaId, finding }, 0),
    canServeAll: (isDevice = false) => scheduler.canServeAll(() => isDevice),
  };
}

test("all pools can serve when each has a replica that serves, until one has none", () => {
  const scheduler = schedulerOf(poolOf("a", "x", "y"), poolOf("b", "x"));
  scheduler.probed("a", "y", "ready");
  expect(scheduler.canServeAll()).toBe(false);
  scheduler.probed("b", "x", "ready");
  expect(scheduler.canServeAll()).toBe(true);

  scheduler.probed("b", "x", "warming");
  expect(scheduler.canServeAll()).toBe(false);
  scheduler.setPools(poolOf("a", "x", "y"));
  expect(scheduler.canServeAll()).toBe(true);
});

test("a pool without replicas cannot serve", () => {
  expect(schedulerOf(poolOf("a")).canServeAll(true)).toBe(false);
});

test("a pool whose device serves another model is not waited for, one of a server is", () => {
  const scheduler = schedulerOf(poolOf("a", "x"), poolOf("b", "x"));
  scheduler.probed("b", "x", "warming");
  expect(scheduler.canServeAll(true)).toBe(false);
  scheduler.probed("a", "x", "ready");

  expect(scheduler.canServeAll(true)).toBe(true);
  expect(scheduler.canServeAll(false)).toBe(false);
});
