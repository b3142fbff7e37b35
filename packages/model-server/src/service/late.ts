import type { Clock } from "@tensorgate/core";

/** Gives the outcome of `work` out `delayMs` after it is there; failures are late as well. */
export async function late<Value>(
  delayMs: number,
  clock: Clock,
  work: () => Promise<Value>,
): Promise<Value> {
  try {
    return await work();
  } finally {
    await new Promise<void>((resolve) => {
      clock.setTimer(delayMs, resolve);
    });
  }
}
