import { describe, expect, test } from "vitest";
import { budget } from "./budget.ts";
import { overload } from "./queues/overload.ts";
import { costMs } from "./regions/region-cost.ts";
import { gatewayWindow } from "./replicas/gateway-window.ts";
import { afterProbe, ejectionMs, slotLimit } from "./replicas/health.ts";
import { latencyHistogram } from "./replicas/latency.ts";
import { median, serviceTime } from "./replicas/service-time.ts";
import { wakeTimes } from "./wake-times.ts";

describe("a budget", () => {
  test("begins with its reserve, and grows with requests", () => {
    const retries = budget({ share: 0.5, reserve: 2 });

    expect([retries.spend(), retries.spend(), retries.spend()]).toEqual([true, true, false]);
    retries.earn();
    expect(retries.spend()).toBe(false);
    retries.earn();
    expect(retries.spend()).toBe(true);
  });

  test("saves up no more than a hundred", () => {
    const retries = budget({ share: 1, reserve: 0 });
    for (let count = 0; count < 1_000; count += 1) retries.earn();

    expect(retries.left).toBe(100);
  });
});

describe("the service time", () => {
  test("is the middle of the last ones, whatever a few took", () => {
    const learnt = serviceTime(2);
    expect(learnt.usualMs).toBe(2);

    for (const tookMs of [5, 5, 50, 5, 5.2]) learnt.observe(tookMs);

    expect(learnt.usualMs).toBe(5);
    expect(learnt.deviationMs).toBeCloseTo(0);
    expect(learnt.meanMs).toBeGreaterThan(5);
  });

  test("follows a replica that changes", () => {
    const learnt = serviceTime(2);
    for (let count = 0; count < 15; count += 1) learnt.observe(2);
    for (let count = 0; count < 8; count += 1) learnt.observe(20);

    expect(learnt.usualMs).toBe(20);
    expect(median([])).toBeNaN();
  });
});

test("a histogram tells quantiles, at most a twentieth too long", () => {
  const histogram = latencyHistogram();
  expect(histogram.quantileMs(0.5)).toBe(0);
  for (let ms = 1; ms <= 1_000; ms += 1) histogram.observe(ms);

  for (const share of [0.5, 0.99, 0.999]) {
    expect(histogram.quantileMs(share)).toBeGreaterThanOrEqual(share * 1_000);
    expect(histogram.quantileMs(share)).toBeLessThanOrEqual(share * 1_000 * 1.06);
  }
});

describe("overload", () => {
  const minute = (rates: { offered: number; sent: number }, isOn = overload()) => {
    for (let ms = 0; ms < 1_000; ms += 1) {
      for (let count = 0; count < rates.offered; count += 1) isOn.offered(ms);
      for (let count = 0; count < rates.sent; count += 1) isOn.sent(ms);
      isOn.observe(20, 5, ms);
    }
    return isOn;
  };

  test("is a long line that grows", () => {
    expect(minute({ offered: 6, sent: 4 }).isOn).toBe(true);
  });

  test("is no line that is long and does not grow", () => {
    expect(minute({ offered: 4, sent: 4 }).isOn).toBe(false);
  });

  test("goes on while more comes than is done, however short the line was made", () => {
    const isOn = minute({ offered: 6, sent: 4 });
    isOn.observe(0, 5, 1_000);
    expect(isOn.isOn).toBe(true);
    isOn.observe(0, 5, 2_000);
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

describe("the window to a gateway", () => {
  test("grows with answers while all of it is used", () => {
    const window = gatewayWindow();
    const before = window.limit;
    window.observe({ nowMs: 0, wasFull: true, tookMs: 2, roundTripMs: 20 });
    window.observe({ nowMs: 0, wasFull: false, tookMs: 2, roundTripMs: 20 });

    expect(window.limit).toBe(before + 1);
  });

  test("halves once for all that was sent before the refusal was known", () => {
    const window = gatewayWindow();
    const before = window.limit;
    for (const sentMs of [0, 1, 2]) window.tooMany({ inFlight: before, sentMs, nowMs: 75 });
    expect(window.limit).toBe(before / 2);

    window.tooMany({ inFlight: 1, sentMs: 80, nowMs: 155 });
    expect(window.limit).toBe(before / 4);
  });
});

describe("the health of a replica", () => {
  const settings = { initialEjectionMs: 250, maxEjectionMs: 30_000, returningMs: 1_000 };

  test.each([
    [1, 250],
    [2, 500],
    [8, 30_000],
    [1_000, 30_000],
  ])("has it left alone for longer each time: %i in a row, %i ms", (count, ms) => {
    expect(ejectionMs(count, settings)).toBe(ms);
  });

  test("brings one back by a good probe, with one slot for a while", () => {
    const back = afterProbe({ state: "ejected", untilMs: 5 }, "ready", 100, settings);

    expect(back).toEqual({ state: "returning", untilMs: 1_100 });
    expect(slotLimit({ state: "returning", untilMs: 1_100 }, 500)).toBe(1);
    expect(slotLimit({ state: "returning", untilMs: 1_100 }, 1_100)).toBe(Number.POSITIVE_INFINITY);
    expect(slotLimit({ state: "suspect" }, 0)).toBe(0);
  });

  test("lets one that is drained be, whatever a probe finds", () => {
    expect(afterProbe({ state: "draining" }, "ready", 0, settings)).toEqual({ state: "draining" });
  });
});

describe("wake times", () => {
  test("ask only for what is earlier than what was asked for", () => {
    const wakes = wakeTimes();
    wakes.want(10);
    expect(wakes.next(0)).toBe(10);
    wakes.want(20);
    expect(wakes.next(0)).toBeUndefined();
    wakes.want(5);
    expect(wakes.next(0)).toBe(5);
  });

  test("ask again when a timer was early", () => {
    const wakes = wakeTimes();
    wakes.want(10);
    wakes.next(0);
    wakes.fired();
    wakes.want(10);

    expect(wakes.next(9.4)).toBe(10);
  });

  test("tell by how much nobody looked, if that is out of the usual", () => {
    const wakes = wakeTimes();
    wakes.want(10);
    wakes.next(0);

    expect(wakes.latenessMs(20)).toBe(0);
    expect(wakes.latenessMs(210)).toBe(200);
  });
});
