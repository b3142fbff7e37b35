import type { Clock } from "@tensorgate/core";

/**
 * Waits `delayMs`, or until `signal` aborts.
 *
 * @throws the signal's reason if it aborts first
 */
export function wait(delayMs: number, clock: Clock, signal: AbortSignal): Promise<void> {
  return unlessAborted(
    new Promise<void>((resolve) => {
      if (delayMs === 0) resolve();
      else clock.setTimer(delayMs, resolve);
    }),
    signal,
  );
}

/**
 * Settles as `promise` does, unless `signal` aborts first.
 *
 * @throws the reason of the signal; `promise` goes on then, and its result is dropped
 */
export async function unlessAborted<Value>(
  promise: Promise<Value>,
  signal: AbortSignal,
): Promise<Value> {
  signal.throwIfAborted();
  let leave = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    leave = () => reject(signal.reason);
    signal.addEventListener("abort", leave, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", leave);
  }
}
