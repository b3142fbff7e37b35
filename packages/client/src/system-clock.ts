import type { ClockAndRandom } from "@tensorgate/core";

/** The real ones. A wait before another attempt keeps the process alive, as the call itself does. */
export const systemClockAndRandom: ClockAndRandom = {
  clock: {
    nowMs: () => performance.now(),
    setTimer: (delayMs, wake) => {
      const timer = setTimeout(wake, delayMs);
      return { [Symbol.dispose]: () => clearTimeout(timer) };
    },
  },
  random: Math.random,
};
