import { expect, test } from "vitest";
import { centralQueueLatencies } from "./central-queue.ts";
import { createInvariants } from "./invariants.ts";
import { besideCentralQueue, noOutlier } from "./scenarios.ts";
import { simulate } from "./simulate.ts";
import { simulationSettings } from "./world.ts";

test("the bound is what a queue at the replicas themselves would give", () => {
  const requests = [
    { arrivesMs: 0, serviceMs: 10 },
    { arrivesMs: 1, serviceMs: 2 },
    { arrivesMs: 2, serviceMs: 2 },
  ];

  expect(centralQueueLatencies(requests, { replicaCount: 2, turnaroundMs: 1 })).toEqual([11, 3, 4]);
});

test("a short run is near the bound, and never below it; the long ones have their own tests", () => {
  const row = besideCentralQueue(0.85, { requestCount: 10_000, seed: 4 });

  expect(row).toMatchObject({ requests: 10_000, failed: 0, ejections: 0 });
  expect(row.p99Ratio).toBeLessThanOrEqual(1.15);
  expect(row.p99Ratio).toBeGreaterThanOrEqual(0.999);
});

test("a request that is not idempotent is sent once, although its replica does not answer", () => {
  const held = createInvariants();
  const requests = Array.from({ length: 200 }, (_, index) => ({
    region: "eastus",
    arrivesMs: 5 * index,
    serviceMs: 2,
    isIdempotent: false,
    patienceMs: 2_000,
  }));
  const fault = { kind: "silent" } as const;

  const { ended } = simulate(
    {
      regions: [{ name: "eastus", replicaCount: 3, concurrency: 1 }],
      turnaroundMs: 0.3,
      roundTripMs: () => 0,
      hasPeers: false,
      settings: simulationSettings(false),
      onHandled: held.see,
    },
    requests.map((each) => ({ ...each, leavesMs: each.patienceMs })),
    [{ atMs: 500, region: "eastus", replica: 0, fault }],
  );

  const unanswered = ended.filter(({ rejection }) => rejection !== undefined);
  expect(unanswered.length).toBeGreaterThan(0);
  expect(unanswered.length).toBeLessThanOrEqual(2);
});

test("no replica is ejected because the gateway itself stalled", () => {
  const row = noOutlier("gateway stalled", 0.5, { requestCount: 5_000, seed: 4 });

  expect(row).toMatchObject({ failed: 0, ejections: 0 });
});
