import { type ClockAndRandom, longTimers } from "@tensorgate/core";

/** The real ones. Handed in at the top, so that nothing below knows them. */
export const systemClockAndRandom: ClockAndRandom = {
  clock: {
    nowMs: () => performance.now(),
    setTimer: longTimers((delayMs, wake) => {
      const timer = setTimeout(wake, delayMs).unref();
      return { [Symbol.dispose]: () => clearTimeout(timer) };
    }),
  },
  random: Math.random,
};
