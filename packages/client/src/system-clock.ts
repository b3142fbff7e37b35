import type { ClockAndRandom } from "@tensorgate/core";

/** The clock and random numbers of the system. A wait before a retry keeps the process alive, as the call does. */
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
