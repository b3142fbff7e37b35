import { describe, expect, test } from "vitest";
import {
  allOverloaded,
  besideCentralQueue,
  concurrentReplica,
  hedged,
  noOutlier,
  oneRegionOverloaded,
  regionLost,
} from "../../packages/gateway/simulation/scenarios.ts";

import { sharedBesideCentralQueue } from "../../packages/gateway/simulation/shared-scenarios.ts";

/** Enough that the slowest of a thousand are a hundred. */
const sized = { requestCount: 100_000, seed: 4 };

describe("eight replicas behind one gateway", () => {
  test.each([0.5, 0.7, 0.85, 0.95])(
    "have nearly the central queue's tail at a load of %f",
    (load) => {
      const row = besideCentralQueue(load, sized);

      expect(row.failed).toBe(0);
      expect(row.p99Ratio).toBeLessThanOrEqual(1.1);
      expect(row.p999Ratio).toBeLessThanOrEqual(1.15);
      expect(row.p99Ratio).toBeGreaterThanOrEqual(1);
    },
  );

  test("answer a slow request from a second replica, for next to no extra work", () => {
    const { p99Ms, failed, extra } = hedged(0.5, sized);

    expect(failed).toBe(0);
    expect(p99Ms).toBeLessThan(8);
    expect(extra).toBeLessThanOrEqual(0.05);
  });

  test("are not taken out because all of them are slow, or because the gateway itself was blocked", () => {
    expect(noOutlier("all slow", 0.15, sized)).toMatchObject({ failed: 0, ejections: 0 });
    expect(noOutlier("gateway stalled", 0.5, sized)).toMatchObject({ failed: 0, ejections: 0 });
  });
});

describe.each([4, 16])("%i gateways that share the slots", (gatewayCount) => {
  describe.each([8, 64])("of %i replicas", (replicaCount) => {
    test.each([
      { peerMs: 0.1, load: 0.5, p99: 1.15, p999: 1.3 },
      { peerMs: 0.1, load: 0.7, p99: 1.15, p999: 1.3 },
      { peerMs: 0.1, load: 0.9, p99: 1.15, p999: 1.3 },
      { peerMs: 0.5, load: 0.5, p99: 1.25, p999: 1.4 },
      { peerMs: 0.5, load: 0.7, p99: 1.25, p999: 1.4 },
      { peerMs: 0.5, load: 0.9, p99: 1.25, p999: 1.4 },
    ])(
      "are near the central queue: $peerMs ms apart, load $load",
      ({ peerMs, load, p99, p999 }) => {
        const row = sharedBesideCentralQueue({
          ...sized,
          gatewayCount,
          replicaCount,
          peerMs,
          load,
        });

        expect(row.failed).toBe(0);
        expect(row.p99Ratio).toBeLessThanOrEqual(p99);
        expect(row.p999Ratio).toBeLessThanOrEqual(p999);
        expect(row.maxAtReplica).toBeLessThanOrEqual(2);
      },
    );
  });
});

test("a concurrency of eight that is not configured is found and used", () => {
  const row = concurrentReplica(0.9, sized);

  expect(row.failed).toBe(0);
  expect(row.p99Ratio).toBeLessThanOrEqual(1.5);
});

describe("four regions", () => {
  test("take what one of them cannot do, and their own callers notice nothing", () => {
    const { failed, p99Ms, neighboursP99Ms, away } = oneRegionOverloaded(1.2, sized);

    expect(failed).toBe(0);
    expect(p99Ms).toBeLessThanOrEqual(100);
    // That of 50 % load by itself is 20.3.
    expect(neighboursP99Ms).toBeLessThanOrEqual(21);
    expect(away).toBeGreaterThan(0);
  });

  test("do what they can and no more when all of them get twice that", () => {
    const { goodput, p99Ms, refusedAtOnce } = allOverloaded(2, sized);

    expect(goodput).toBeGreaterThanOrEqual(0.95);
    expect(p99Ms).toBeLessThanOrEqual(50);
    expect(refusedAtOnce).toBeGreaterThan(0.9);
  });

  test.each([1, 2, 3, 4])("answer every call of a region whose replicas all died (%i)", (seed) => {
    const row = regionLost(0.6, { requestCount: 100_000, seed });
    const { failed, p99OfThatSecondMs, neighboursP99Ms } = row;

    expect(failed).toBe(0);
    expect(p99OfThatSecondMs).toBeLessThanOrEqual(200);
    expect(neighboursP99Ms).toBeLessThanOrEqual(21);
  });
});
