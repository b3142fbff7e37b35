import { seededRandom } from "@tensorgate/core";
import { describe, expect, test } from "vitest";
import { ownerLost, sharedBesideCentralQueue } from "./shared-scenarios.ts";
import { simulateSharedSlots } from "./shared-slots.ts";
import { poissonTrace } from "./trace.ts";

const four = { gatewayCount: 4, replicaCount: 8, load: 0.9, requestCount: 3_000, seed: 4 };

test.each([
  { peerMs: 0.1, p99: 1.15, p999: 1.3 },
  { peerMs: 0.5, p99: 1.25, p999: 1.4 },
])("four gateways $peerMs ms apart are near one central queue", ({ peerMs, p99, p999 }) => {
  const row = sharedBesideCentralQueue({ ...four, peerMs });

  expect(row).toMatchObject({ failed: 0, maxAtReplica: 2 });
  expect(row.p99Ratio).toBeLessThanOrEqual(p99);
  expect(row.p99Ratio).toBeGreaterThanOrEqual(0.999);
  expect(row.p999Ratio).toBeLessThanOrEqual(p999);
});

describe("the owner is lost", () => {
  const setting = { ...four, load: 0.7, peerMs: 0.1 };

  test.each([
    { what: "its process ends", noticedMs: 1 },
    { what: "its machine is gone", noticedMs: 75 },
  ])("$what: no call fails, none is done twice, and it costs 100 ms at most", ({ noticedMs }) => {
    const row = ownerLost(setting, { noticedMs, electedMs: 100, isIdempotent: false });

    expect(row.requests).toBeGreaterThan(2_400);
    expect(row).toMatchObject({ failed: 0, twice: 0 });
    expect(row.costMs).toBeLessThanOrEqual(100);
  });

  test("calls are answered if a replica is lost on the same machine, and no owner follows", () => {
    expect(ownerLost(setting, { noticedMs: 75, replica: 3 })).toMatchObject({ failed: 0 });
  });
});

test("two owners cost slots and no call", () => {
  const { next: random } = seededRandom(4);
  const mix = { usualMs: 2, slowMs: 20, slowShare: 0.02 };
  const trace = poissonTrace({ ...four, mix, random });
  const ownerOf = (gateway: number) => gateway % 2;

  const { ended, maxAtReplica } = simulateSharedSlots(
    { ...four, peerMs: 0.1, turnaroundMs: 0.3, isIdempotent: false, ownerOf },
    trace,
  );

  expect(ended.filter(({ isAnswered }) => !isAnswered)).toEqual([]);
  expect(ended.filter(({ begun }) => begun !== 1)).toEqual([]);
  expect(maxAtReplica).toBeGreaterThan(2);
  expect(maxAtReplica).toBeLessThanOrEqual(4);
});
