import type { AttemptFailure } from "./events.ts";

/** What is known of a request when an attempt of it has failed, this attempt counted. */
export interface FailedRequest {
  readonly isRepeatable: boolean;
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
const mostAnsweredFailures = 2;
/** Two replicas that served others are no chance. */
const mostKills = 2;

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
  if (failure === "never-sent" || failure === "turned-away") return "again";
  // Nothing was done, so that it may go again whatever it is; but who is to blame, a few replicas know as well as all.
  if (failure === "not-served" || failure === "unknown-label") {
    return request.failedCount >= maxAttempts ? "give-up" : "again";
  }
  if (!request.isRepeatable) return "give-up";
  if (failure === "warming") return "again";
  if (request.killCount >= mostKills) return "quarantine";
  if (request.failedCount >= maxAttempts) return "give-up";
  if (failure === "failed") {
    return request.failedBy.length > mostAnsweredFailures ? "give-up" : "again-if-budgeted";
  }
  return "again";
}
