import { type Clock, maxTimerDelayMs, startLongTimer } from "@tensorgate/core";

/** The real one. Handed in at the top, so that nothing below knows it. */
export const systemClock: Clock = {
  nowMs: () => performance.now(),
  setTimer: function setTimer(delayMs, wake) {
    if (delayMs > maxTimerDelayMs) return startLongTimer(setTimer, delayMs, wake);
    const timer = setTimeout(wake, delayMs).unref();
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  },
};
