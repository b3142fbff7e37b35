import { expect, test } from "vitest";
import { centralQueueLatencies } from "./central-queue.ts";
import { besideCentralQueue, nobodysFault } from "./scenarios.ts";

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

test("nobody is taken out because the gateway itself was blocked", () => {
  const row = nobodysFault("gateway stalled", 0.5, { requestCount: 5_000, seed: 4 });

  expect(row).toMatchObject({ failed: 0, ejections: 0 });
});
