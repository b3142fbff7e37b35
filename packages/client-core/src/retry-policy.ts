import type { FailureReason, ScoringError } from "@tensorgate/core";

export interface RetryPolicy {
  /** Attempts after the first; an integer >= 0. */
  readonly maxRetries: number;
  /** Longest wait after the first failure, in milliseconds; twice as long each time. */
  readonly initialBackoffMs: number;
  /** Longest wait of all, in milliseconds. */
  readonly maxBackoffMs: number;
}

export const retryPolicyDefaults: RetryPolicy = {
  maxRetries: 2,
  initialBackoffMs: 100,
  maxBackoffMs: 2_000,
};

/** Whether a failure may be tried again: always, once, only when told when to come, or not at all. */
const whenToRetry: Readonly<Record<FailureReason, "always" | "once" | "when-told" | "never">> = {
  cancelled: "never",
  "invalid-request": "never",
  "unsupported-media": "never",
  "too-large": "never",
  // The deadline was the caller's own.
  "deadline-exceeded": "never",
  "unknown-model": "never",
  "unknown-version": "never",
  unauthenticated: "never",
  forbidden: "never",
  "failed-precondition": "never",
  "not-supported": "never",
  "quota-exceeded": "when-told",
  overloaded: "always",
  "model-not-ready": "always",
  "no-replica": "always",
  "upstream-failed": "always",
  "upstream-answered": "never",
  internal: "once",
};

/** Whether the same call may succeed when it is made again. */
export function isRetryable({ reason, retryAfterMs }: ScoringError): boolean {
  const when = whenToRetry[reason];
  return when === "when-told" ? retryAfterMs !== undefined : when !== "never";
}

/**
 * How long to wait before the next attempt, in milliseconds; undefined if there is to be none.
 *
 * @param failureCount - attempts that have failed, this one included; an integer >= 1
 * @param jitter - uniform in `[0, 1)`: the wait is between nothing and the whole backoff
 * @see Brooker 2015, "Exponential Backoff And Jitter": full jitter
 */
export function retryDelayMs(
  error: ScoringError,
  { failureCount, jitter }: { readonly failureCount: number; readonly jitter: number },
  { maxRetries, initialBackoffMs, maxBackoffMs }: RetryPolicy,
): number | undefined {
  const isSpent = whenToRetry[error.reason] === "once" && failureCount > 1;
  if (!isRetryable(error) || isSpent || failureCount > maxRetries) return undefined;
  // A wait of 0, such as a date that is over, asks for no more than the usual one.
  if (error.retryAfterMs) return error.retryAfterMs;
  return jitter * Math.min(initialBackoffMs * 2 ** (failureCount - 1), maxBackoffMs);
}
