import type { AttemptFailure } from "./events.ts";

/** What is known of a request when an attempt of it has failed, this attempt counted. */
export interface FailedRequest {
  readonly isIdempotent: boolean;
  /** Attempts that may have reached a replica. */
  readonly failedCount: number;
  /** Replicas that answered it with a failure of their own. */
  readonly failedBy: readonly unknown[];
  /** Replicas that served others and lost their connection over this request. */
  readonly killCount: number;
}

export type NextStep =
  /** To another replica, at no cost. */
  | "again"
  /** To another replica, if the budget allows it. */
  | "again-if-budgeted"
  /** The caller is told. */
  | "give-up"
  /** No replica is lost over it any more. */
  | "quarantine";

/** Once more in the region, once in the next. */
const maxAnsweredFailures = 2;
/** Two replicas that served others are no chance. */
const maxKills = 2;

/**
 * The table of failures: what becomes of a request whose attempt failed.
 *
 * @param maxAttempts - that may have reached a replica
 * @see gRFC A6 for what was never sent: it may go again whatever it is
 */
export function afterFailure(
  failure: AttemptFailure,
  request: FailedRequest,
  maxAttempts: number,
): NextStep {
  if (isUnseen(failure)) return "again";
  // Nothing was done, so that it may go again whatever it is; but who is to blame, a few replicas know as well as all.
  if (failure === "not-served" || failure === "unknown-label") {
    return request.failedCount >= maxAttempts ? "give-up" : "again";
  }
  if (!request.isIdempotent) return "give-up";
  if (failure === "warming") return "again";
  if (request.killCount >= maxKills) return "quarantine";
  if (request.failedCount >= maxAttempts) return "give-up";
  if (failure === "failed") {
    return request.failedBy.length > maxAnsweredFailures ? "give-up" : "again-if-budgeted";
  }
  return "again";
}

/** Whether a failure speaks of a model or version at one replica alone: nothing against the region. */
export function isUnserved(failure: AttemptFailure): boolean {
  return failure === "not-served" || failure === "unknown-label" || failure === "model-broken";
}

/** Whether the replica cannot have seen the request, so that it may go there again. */
export function isUnseen(failure: AttemptFailure): boolean {
  return failure === "never-sent" || failure === "turned-away";
}
