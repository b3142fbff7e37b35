import type { ClockAndRandom } from "@tensorgate/core";

/** The clock and random numbers of the browser. */
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

/** Generates an id without `crypto.randomUUID`, which exists on HTTPS and localhost only. */
export function newRequestId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
