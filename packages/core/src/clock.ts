/// <reference lib="esnext.disposable" preserve="true" />

/** The only way any stage learns the time or waits. */
export interface Clock {
  /** Milliseconds on a monotonic clock. Only differences mean anything. */
  nowMs(): number;
  /**
   * Calls `wake` once, `delayMs` from now, unless the result is disposed of first.
   * A timer alone never keeps a process alive.
   */
  setTimer(delayMs: number, wake: () => void): Disposable;
}

/** Everything that makes one run differ from the next. A test hands in its own. */
export interface ClockAndRandom {
  readonly clock: Clock;
  /** Uniform in `[0, 1)`. */
  readonly random: () => number;
}

/** Longest delay that a timer of JavaScript takes, in milliseconds: a longer one fires immediately. */
export const maxTimerDelayMs = 2_147_483_647;

/**
 * Starts a timer that is longer than `maxTimerDelayMs` as a series of timers that are not. It does not fire early.
 *
 * @param start - starts one timer, as `setTimeout` does
 */
export function startLongTimer(
  start: Clock["setTimer"],
  delayMs: number,
  wake: () => void,
): Disposable {
  let restMs = delayMs;
  const startNext = (): Disposable => {
    if (!(restMs > maxTimerDelayMs)) return start(restMs, wake);
    restMs -= maxTimerDelayMs;
    return start(maxTimerDelayMs, () => {
      timer = startNext();
    });
  };
  let timer = startNext();
  return { [Symbol.dispose]: () => timer[Symbol.dispose]() };
}
