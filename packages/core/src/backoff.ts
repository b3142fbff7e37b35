export interface BackoffOptions {
  /** Longest wait after the first failure, in milliseconds; each later one is twice as long. */
  readonly initialBackoffMs: number;
  /** Longest wait of all, in milliseconds. */
  readonly maxBackoffMs: number;
}

/**
 * How long to wait after a failure, in milliseconds.
 *
 * @param failureCount - failures in a row so far; an integer >= 1
 * @param jitter - uniform in `[0, 1)`: the wait is between half of the full backoff and all of it
 * @see gRFC A6, "Exponential Backoff"
 */
export function backoffDelayMs(
  failureCount: number,
  { initialBackoffMs, maxBackoffMs }: BackoffOptions,
  jitter: number,
): number {
  const fullMs = Math.min(initialBackoffMs * 2 ** (failureCount - 1), maxBackoffMs);
  return fullMs * (0.5 + jitter / 2);
}
