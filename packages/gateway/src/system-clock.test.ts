import { afterEach, expect, test, vi } from "vitest";
import { createTimerWheel, systemClockAndRandom } from "./system-clock.ts";

afterEach(() => void vi.useRealTimers());

// The timers of the test fire at once beyond 2^31 ms, as those of Node do.
test.each([3e9, 1e12])("a timer of %d ms does not fire immediately", (delayMs) => {
  vi.useFakeTimers();
  const wake = vi.fn();
  using _timer = systemClockAndRandom.clock.setTimer(delayMs, wake);

  vi.advanceTimersByTime(2 ** 31);

  expect(wake).not.toHaveBeenCalled();
});

interface PlatformTimer {
  readonly dueMs: number;
  readonly wake: () => void;
}

/** A wheel on a clock that stands still until it is moved. */
function createFixture(startMs = 12_345.6) {
  let nowMs = startMs;
  const timers = new Set<PlatformTimer>();
  let startedCount = 0;
  const setTimer = createTimerWheel({
    nowMs: () => nowMs,
    setTimer: (delayMs, wake) => {
      startedCount += 1;
      const timer = { dueMs: nowMs + delayMs, wake };
      timers.add(timer);
      return { [Symbol.dispose]: () => void timers.delete(timer) };
    },
  });
  const nextTimer = () => [...timers].sort((a, b) => a.dueMs - b.dueMs)[0];
  return {
    setTimer,
    nowMs: () => nowMs,
    startedCount: () => startedCount,
    runningCount: () => timers.size,
    /** Loses what the platform has promised. */
    loseTimers: () => timers.clear(),
    /** Fires timers in their order, each at its time. */
    advance: (byMs: number) => {
      const untilMs = nowMs + byMs;
      for (let next = nextTimer(); next && next.dueMs <= untilMs; next = nextTimer()) {
        timers.delete(next);
        nowMs = Math.max(nowMs, next.dueMs);
        next.wake();
      }
      nowMs = untilMs;
    },
    /** Lets time pass without firing anything, as a blocked event loop does. */
    block: (forMs: number) => {
      nowMs += forMs;
    },
  };
}

test.each([1_000, 1_001, 5_000, 60_000, 102_375])(
  "a timer of %i ms fires once, not early, and at most 25 ms late",
  (delayMs) => {
    const { setTimer, nowMs, advance } = createFixture();
    const startedMs = nowMs();
    const firedMs: number[] = [];
    setTimer(delayMs, () => firedMs.push(nowMs() - startedMs));

    advance(delayMs - 0.1);
    expect(firedMs).toEqual([]);
    advance(25.1);
    expect(firedMs).toHaveLength(1);
    advance(300_000);
    expect(firedMs).toHaveLength(1);
  },
);

test.each([0, 1, 999, 102_376, 3e9])("a timer of %i ms is the platform's, and exact", (delayMs) => {
  const { setTimer, nowMs, advance } = createFixture();
  const startedMs = nowMs();
  let firedMs: number | undefined;
  setTimer(delayMs, () => {
    firedMs = nowMs() - startedMs;
  });

  advance(delayMs);
  expect(firedMs).toBeCloseTo(delayMs, 3);
});

test("ten thousand timers that are disposed of cost the platform one", () => {
  const { setTimer, advance, startedCount, runningCount } = createFixture();
  let fired = 0;
  for (let count = 0; count < 10_000; count += 1) {
    setTimer(5_000 + (count % 7), () => {
      fired += 1;
    })[Symbol.dispose]();
    advance(0.1);
  }

  expect(startedCount()).toBeLessThanOrEqual(2);
  advance(10_000);
  expect(fired).toBe(0);
  expect(runningCount()).toBe(0);
});

test("timers fire in the order of their times, whatever the order of their starts", () => {
  const { setTimer, advance } = createFixture();
  const fired: number[] = [];
  for (const delayMs of [9_000, 2_000, 70_000, 3_000]) setTimer(delayMs, () => fired.push(delayMs));

  advance(100_000);

  expect(fired).toEqual([2_000, 3_000, 9_000, 70_000]);
});

test("a callback may start timers and dispose of others of the same time", () => {
  const { setTimer, advance } = createFixture();
  const fired: string[] = [];
  const second: Disposable[] = [];
  setTimer(2_000, () => {
    fired.push("first");
    for (const each of second) each[Symbol.dispose]();
    setTimer(2_000, () => fired.push("third"));
  });
  second.push(setTimer(2_000, () => fired.push("second")));

  advance(10_000);

  expect(fired).toEqual(["first", "third"]);
});

test("a callback that throws does not cost the others their time", () => {
  const { setTimer, advance } = createFixture();
  let fired = 0;
  setTimer(2_000, () => {
    throw new Error("planted");
  });
  setTimer(2_000, () => {
    fired += 1;
  });
  setTimer(9_000, () => {
    fired += 1;
  });

  expect(() => advance(3_000)).toThrow("planted");
  advance(20_000);
  expect(fired).toBe(2);
});

test("after the event loop was blocked for longer than a turn of the wheel, all that is due fires", () => {
  const { setTimer, advance, block } = createFixture();
  const fired: number[] = [];
  for (const delayMs of [1_000, 40_000, 100_000]) setTimer(delayMs, () => fired.push(delayMs));
  block(150_000);
  setTimer(50_000, () => fired.push(50_000));

  advance(0);
  expect(fired).toEqual([1_000, 40_000, 100_000]);
  advance(60_000);
  expect(fired.at(-1)).toBe(50_000);
});

test("disposing of a timer twice, or after it fired, is harmless", () => {
  const { setTimer, advance } = createFixture();
  let fired = 0;
  const wake = () => {
    fired += 1;
  };
  const timers = [setTimer(2_000, wake), setTimer(2_000, wake), setTimer(3_000, wake)];
  timers[0]?.[Symbol.dispose]();
  timers[0]?.[Symbol.dispose]();
  advance(2_500);
  timers[1]?.[Symbol.dispose]();

  advance(5_000);

  expect(fired).toBe(2);
});

test("if the platform lost its timer, the next one brings it back", () => {
  const { setTimer, advance, loseTimers, block } = createFixture();
  let fired = 0;
  const wake = () => {
    fired += 1;
  };
  setTimer(1_000, wake);
  loseTimers();
  block(60_000);
  setTimer(1_000, wake);

  advance(2_000);

  expect(fired).toBe(2);
});
