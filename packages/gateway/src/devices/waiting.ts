import type { Clock } from "@tensorgate/core";

/** Resolves after a while. @throws the reason of `signal` as soon as that aborts */
export function pause(durationMs: number, clock: Clock, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const onAbort = () => {
      timer[Symbol.dispose]();
      reject(signal.reason);
    };
    const timer = clock.setTimer(durationMs, () => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    });
    signal.addEventListener("abort", onAbort, { once: true });
  });
}

export interface FirstOfBounds {
  readonly timeoutMs: number;
  /** What to say when it took too long. */
  readonly late: string;
  readonly signals: readonly AbortSignal[];
  readonly clock: Clock;
}

/** What `work` comes to, unless it takes too long or a signal aborts before. */
export function firstOf<Result>(
  work: Promise<Result>,
  { timeoutMs, late, signals, clock }: FirstOfBounds,
): Promise<Result> {
  const signal = AbortSignal.any([...signals]);
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const timer = clock.setTimer(timeoutMs, () => reject(new Error(late)));
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    void work.then(resolve, reject).finally(() => {
      timer[Symbol.dispose]();
      signal.removeEventListener("abort", onAbort);
    });
  });
}
