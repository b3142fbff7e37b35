import type { FailureReason, ScoringError } from "@tensorgate/core";

export interface RetryPolicy {
  /** Attempts after the first; an integer >= 0. */
  readonly maxRetries: number;
  /** Longest wait after the first failure, in milliseconds; it doubles with each failure. */
  readonly initialBackoffMs: number;
  /** Longest wait of all, in milliseconds. */
  readonly maxBackoffMs: number;
}

export const retryPolicyDefaults: RetryPolicy = {
  maxRetries: 2,
  initialBackoffMs: 100,
  maxBackoffMs: 2_000,
};

/** When a failure is retried: always, once, only with a `retryAfterMs`, or never. */
const retryRules: Readonly<
  Record<FailureReason, "always" | "once" | "with-retry-after" | "never">
> = {
  cancelled: "never",
  "invalid-request": "never",
  "unsupported-media": "never",
  "too-large": "never",
  // The caller set the deadline.
  "deadline-exceeded": "never",
  "unknown-model": "never",
  "unknown-version": "never",
  unauthenticated: "never",
  forbidden: "never",
  "failed-precondition": "never",
  "not-supported": "never",
  "quota-exceeded": "with-retry-after",
  overloaded: "always",
  "model-not-ready": "always",
  "no-replica": "always",
  "upstream-failed": "always",
  "upstream-answered": "never",
  internal: "once",
};

/** Returns whether a retry of the same call may succeed. */
export function isRetryable({ reason, retryAfterMs }: ScoringError): boolean {
  const rule = retryRules[reason];
  return rule === "with-retry-after" ? retryAfterMs !== undefined : rule !== "never";
}

/**
 * Returns the wait before the next attempt, in milliseconds; undefined if the failure is not retried.
 *
 * @param failureCount - failed attempts, this one included; an integer >= 1
 * @param jitter - uniform in `[0, 1)`: the wait is between nothing and the whole backoff
 * @see Brooker 2015, "Exponential Backoff And Jitter": full jitter
 */
export function retryDelayMs(
  error: ScoringError,
  { failureCount, jitter }: { readonly failureCount: number; readonly jitter: number },
  { maxRetries, initialBackoffMs, maxBackoffMs }: RetryPolicy,
): number | undefined {
  const isSpent = retryRules[error.reason] === "once" && failureCount > 1;
  if (!isRetryable(error) || isSpent || failureCount > maxRetries) return undefined;
  // A wait of 0, such as a past date, is no reason to skip the backoff.
  if (error.retryAfterMs) return error.retryAfterMs;
  return jitter * Math.min(initialBackoffMs * 2 ** (failureCount - 1), maxBackoffMs);
}
