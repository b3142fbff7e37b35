import { expect, test, vi } from "vitest";
import { type Clock, maxTimerDelayMs, startLongTimer } from "./clock.ts";
import { manualClock } from "./testing.ts";

/** A clock whose timers fire immediately where JavaScript's do. */
function overflowing() {
  const clock = manualClock();
  const start: Clock["setTimer"] = (delayMs, wake) =>
    clock.setTimer(delayMs > maxTimerDelayMs ? 1 : delayMs, wake);
  const setTimer: Clock["setTimer"] = (delayMs, wake) => startLongTimer(start, delayMs, wake);
  return { clock, setTimer };
}

test.each([1, maxTimerDelayMs, maxTimerDelayMs + 1, 3e9, 1e13])(
  "a timer of %d ms fires then, and not before",
  (delayMs) => {
    const { clock, setTimer } = overflowing();
    const wake = vi.fn();
    setTimer(delayMs, wake);

    clock.advance(delayMs - 1);
    expect(wake).not.toHaveBeenCalled();
    clock.advance(1);

    expect(wake).toHaveBeenCalledTimes(1);
    expect(clock.pendingTimersMs()).toEqual([]);
  },
);

test("a timer that was disposed of in its second step does not fire", () => {
  const { clock, setTimer } = overflowing();
  const wake = vi.fn();
  const timer = setTimer(3e9, wake);
  clock.advance(2.5e9);

  timer[Symbol.dispose]();
  clock.advance(3e9);

  expect(wake).not.toHaveBeenCalled();
  expect(clock.pendingTimersMs()).toEqual([]);
});
