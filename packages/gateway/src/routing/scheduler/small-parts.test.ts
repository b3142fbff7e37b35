import { seededRandom } from "@tensorgate/core";
import { describe, expect, test } from "vitest";
import { createBudget } from "./attempts.ts";
import { createOverload } from "./queues/request-queue.ts";
import { costMs } from "./regions/region-selection.ts";
import { createAimdLimit } from "./replicas/concurrency-limit.ts";
import { afterProbe, ejectionMs } from "./replicas/health.ts";
import {
  createLatencyHistogram,
  RecentValues,
  type ReportedWait,
  reportedWait,
  ServiceTime,
  waitAfter,
} from "./replicas/latency.ts";

describe("a budget", () => {
  test("begins with its reserve, and grows with requests", () => {
    const retries = createBudget({ share: 0.5, reserve: 2 });

    expect([retries.withdraw(), retries.withdraw(), retries.withdraw()]).toEqual([
      true,
      true,
      false,
    ]);
    retries.deposit();
    expect(retries.withdraw()).toBe(false);
    retries.deposit();
    expect(retries.withdraw()).toBe(true);
  });

  test("saves up no more than a hundred", () => {
    const retries = createBudget({ share: 1, reserve: 0 });
    for (let count = 0; count < 1_000; count += 1) retries.deposit();

    expect(retries.left).toBe(100);
  });
});

describe("the service time", () => {
  test("a time that is no number changes nothing", () => {
    const learnt = new ServiceTime(2);
    for (const durationMs of [4, Number.NaN, 6, Number.NaN, 5]) learnt.observe(durationMs);

    expect(learnt.count).toBe(3);
    expect(learnt.usualMs).toBe(5);
    expect(learnt.meanMs).toBeGreaterThan(4);
  });

  test("is the middle of the last ones, whatever a few took", () => {
    const learnt = new ServiceTime(2);
    expect(learnt.usualMs).toBe(2);

    for (const tookMs of [5, 5, 50, 5, 5.2]) learnt.observe(tookMs);

    expect(learnt.usualMs).toBe(5);
    expect(learnt.deviationMs()).toBeCloseTo(0);
    expect(learnt.meanMs).toBeGreaterThan(5);
  });

  test("follows a replica that changes", () => {
    const learnt = new ServiceTime(2);
    for (let count = 0; count < 15; count += 1) learnt.observe(2);
    for (let count = 0; count < 8; count += 1) learnt.observe(20);

    expect(learnt.usualMs).toBe(20);
  });
});

test("the median of the last values, and the deviation from it, are those of sorted ones", () => {
  const middleOf = (values: readonly number[]) =>
    values.toSorted((a, b) => a - b)[values.length >> 1];
  for (let seed = 1; seed <= 100; seed += 1) {
    const { next: random, below } = seededRandom(seed);
    const size = 1 + below(15);
    const recent = new RecentValues(size);
    expect(recent.medianDeviation()).toBe(0);
    const all: number[] = [];
    for (let count = 0; count < 50; count += 1) {
      // Some values come more than once.
      const value = below(2) === 0 ? below(4) : random() * 4;
      all.push(value);
      const last = all.slice(-size);
      const median = middleOf(last);

      expect(recent.add(value)).toBe(median);
      const distances = last.map((each) => Math.abs(each - (median ?? Number.NaN)));
      expect(recent.medianDeviation()).toBe(middleOf(distances));
    }
  }
});

test("a histogram tells quantiles, at most a twentieth too long", () => {
  const histogram = createLatencyHistogram();
  expect(histogram.quantileMs(0.5)).toBe(0);
  for (let ms = 1; ms <= 1_000; ms += 1) histogram.observe(ms);

  for (const share of [0.5, 0.99, 0.999]) {
    expect(histogram.quantileMs(share)).toBeGreaterThanOrEqual(share * 1_000);
    expect(histogram.quantileMs(share)).toBeLessThanOrEqual(share * 1_000 * 1.06);
  }
});

describe("overload", () => {
  const minute = (rates: { offered: number; sent: number }, isOn = createOverload()) => {
    for (let ms = 0; ms < 1_000; ms += 1) {
      for (let count = 0; count < rates.offered; count += 1) isOn.count("offered", ms);
      for (let count = 0; count < rates.sent; count += 1) isOn.count("sent", ms);
      isOn.observe("long", ms);
    }
    return isOn;
  };

  test("is a long queue that grows", () => {
    expect(minute({ offered: 6, sent: 4 }).isOn).toBe(true);
  });

  test("is not a long queue that does not grow", () => {
    expect(minute({ offered: 4, sent: 4 }).isOn).toBe(false);
  });

  /** A gateway that runs for 200 ms and is paused for as long, in turns; requests of that time arrive together. */
  function withPauses({ offered, sent }: { offered: number; sent: number }) {
    const overload = createOverload();
    const wasOn: boolean[] = [];
    let waiting = 0;
    for (let ms = 0; ms < 1_600; ms += 1) {
      const isPaused = ms % 400 >= 200;
      if (isPaused) continue;
      const justRan = ms % 400 > 0 || ms === 0;
      if (!justRan) overload.paused(ms - 200, ms);
      const came = offered * (justRan ? 1 : 201);
      for (let count = 0; count < came; count += 1) overload.count("offered", ms);
      waiting += came;
      // Never idle while something waits: two requests are queued at the replicas when the gateway is paused.
      const went = Math.min(waiting, sent);
      for (let count = 0; count < went; count += 1) overload.count("sent", ms);
      waiting -= went;
      overload.observe(waiting > 0 ? "long" : "short", ms);
      wasOn.push(overload.isOn);
    }
    return wasOn;
  }

  test("is not a queue that is long because the gateway itself was paused", () => {
    expect(withPauses({ offered: 3, sent: 5 })).not.toContain(true);
  });

  test("is detected although the gateway is paused at times", () => {
    expect(withPauses({ offered: 6, sent: 5 }).at(-1)).toBe(true);
  });

  test("lasts while arrivals exceed departures, however short the queue is", () => {
    const isOn = minute({ offered: 6, sent: 4 });
    isOn.observe("short", 1_000);
    expect(isOn.isOn).toBe(true);
    isOn.observe("short", 2_000);
    expect(isOn.isOn).toBe(false);
  });
});

test.each([
  { facts: { roundTripMs: 0, expectedWaitMs: 3, isUsed: true }, cost: 3 },
  { facts: { roundTripMs: 0, expectedWaitMs: 3, isUsed: false }, cost: 8 },
  { facts: { roundTripMs: 90, expectedWaitMs: 1, isUsed: false }, cost: 109 },
  { facts: { roundTripMs: 90, expectedWaitMs: 1, isUsed: true }, cost: 91 },
])(
  "a region costs its way, its wait, and what a change must be worth: $facts",
  ({ facts, cost }) => {
    expect(costMs(facts)).toBe(cost);
  },
);

describe("the wait that a gateway reports", () => {
  /** After reports of these waits, one every `everyMs`. */
  const after = (waitsMs: readonly number[], everyMs = 1) => {
    let last: ReportedWait | undefined;
    waitsMs.forEach((waitMs, index) => {
      last = reportedWait(last, waitMs, 1_000 + index * everyMs);
    });
    return last ?? reportedWait(undefined, Number.NaN, 0);
  };
  const growing = Array.from({ length: 100 }, (_, index) => 10 + index * 0.2);

  test("is expected to go on as it did: what is sent now arrives a round trip after the report", () => {
    expect(waitAfter(after(growing), 75)).toBeCloseTo(10 + 99 * 0.2 + 75 * 0.2, 0);
    expect(waitAfter(after(growing.toReversed()), 75)).toBe(0);
  });

  test("does not grow by what came once, nor by a single report", () => {
    expect(waitAfter(after([10]), 75)).toBe(10);
    expect(waitAfter(after([0, ...Array.from({ length: 200 }, () => 30)]), 75)).toBeCloseTo(30, 0);
    expect(waitAfter(after([0, 30], 1_000), 75)).toBeCloseTo(32.25);
  });

  test("counts reports that come together, and none of a gateway that rejects requests", () => {
    const together = after([10, 12], 0);
    expect(waitAfter(together, 10)).toBe(12);
    expect(waitAfter(reportedWait(together, 12, 1_001), 10)).toBeGreaterThan(12.1);
    expect(waitAfter(after([10, Number.POSITIVE_INFINITY]), 75)).toBe(Number.POSITIVE_INFINITY);
    expect(waitAfter(after([Number.POSITIVE_INFINITY, 10]), 75)).toBe(10);
  });
});

describe("the window to a gateway", () => {
  test("grows with answers while all of it is used", () => {
    const window = createAimdLimit();
    const before = window.limit;
    window.observe({ nowMs: 0, wasFull: true, tookMs: 2, roundTripMs: 20, ownLagMs: 0 });
    window.observe({ nowMs: 0, wasFull: false, tookMs: 2, roundTripMs: 20, ownLagMs: 0 });

    expect(window.limit).toBe(before + 1);
  });

  test("halves once for all that was sent before the rejection was known", () => {
    const window = createAimdLimit();
    const before = window.limit;
    for (const sentMs of [0, 1, 2]) window.onRejected({ inFlight: before, sentMs, nowMs: 75 });
    expect(window.limit).toBe(before / 2);

    window.onRejected({ inFlight: 1, sentMs: 80, nowMs: 155 });
    expect(window.limit).toBe(before / 4);
  });
});

describe("the health of a replica", () => {
  const settings = { initialEjectionMs: 250, maxEjectionMs: 30_000, halfOpenMs: 1_000 };

  test.each([
    [1, 250],
    [2, 500],
    [8, 30_000],
    [1_000, 30_000],
  ])("has it left alone for longer each time: %i in a row, %i ms", (count, ms) => {
    expect(ejectionMs(count, settings)).toBe(ms);
  });

  test("brings one back by a good probe, half-open for a while", () => {
    const back = afterProbe({ state: "ejected", untilMs: 5 }, "ready", 100, settings);

    expect(back).toEqual({ state: "half-open", untilMs: 1_100 });
  });

  test("lets one that is drained be, whatever a probe finds", () => {
    expect(afterProbe({ state: "draining" }, "ready", 0, settings)).toEqual({ state: "draining" });
  });
});
