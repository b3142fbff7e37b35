import { type ClockAndRandom, maxTimerDelayMs, startLongTimer } from "@tensorgate/core";

/** The real ones. Handed in at the top, so that nothing below knows them. */
export const systemClockAndRandom: ClockAndRandom = {
  clock: {
    nowMs: () => performance.now(),
    setTimer: function setTimer(delayMs, wake) {
      if (delayMs > maxTimerDelayMs) return startLongTimer(setTimer, delayMs, wake);
      const timer = setTimeout(wake, delayMs).unref();
      return { [Symbol.dispose]: () => clearTimeout(timer) };
    },
  },
  random: Math.random,
};
