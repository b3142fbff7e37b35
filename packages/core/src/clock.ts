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
