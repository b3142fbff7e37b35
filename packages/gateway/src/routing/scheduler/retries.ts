import type { AttemptFailure } from "./events.ts";

/** The record of a request when an attempt has failed, this attempt included. */
export interface FailedRequest {
  readonly isIdempotent: boolean;
  /** Attempts that may have reached a replica. */
  readonly failedCount: number;
  /** Replicas that answered it with a server error. */
  readonly failedBy: readonly unknown[];
  /** Replicas that served other requests and lost their connection over this one. */
  readonly lostReplicaCount: number;
}

export type NextStep =
  /** Retry at another replica, free of the budget. */
  | "retry"
  /** Retry at another replica, if the budget allows it. */
  | "retry-if-budgeted"
  /** Return the failure to the caller. */
  | "give-up"
  /** Reject a poison request, before more replicas are lost over it. */
  | "reject-poison";

/** One retry in the region, one in the next. */
const maxAnsweredFailures = 2;
/** Two lost replicas that served other requests are no coincidence. */
const maxLostReplicas = 2;

/**
 * Decides about a request whose attempt has failed.
 *
 * @param maxAttempts - attempts that may have reached a replica
 * @see gRFC A6 for unprocessed requests, which are retried whether they are idempotent or not
 */
export function afterFailure(
  failure: AttemptFailure,
  request: FailedRequest,
  maxAttempts: number,
): NextStep {
  if (isUnprocessed(failure)) return "retry";
  // Nothing was done, so that even a request that is not idempotent is retried; after a few replicas the request is wrong.
  if (failure === "not-served" || failure === "unknown-label") {
    return request.failedCount >= maxAttempts ? "give-up" : "retry";
  }
  if (!request.isIdempotent) return "give-up";
  if (failure === "warming") return "retry";
  if (request.lostReplicaCount >= maxLostReplicas) return "reject-poison";
  if (request.failedCount >= maxAttempts) return "give-up";
  if (failure === "failed") {
    return request.failedBy.length > maxAnsweredFailures ? "give-up" : "retry-if-budgeted";
  }
  return "retry";
}

/** Whether a failure is about a model or version at one replica: it does not count against the region. */
export function isUnserved(failure: AttemptFailure): boolean {
  return failure === "not-served" || failure === "unknown-label" || failure === "model-broken";
}

/** Whether the replica has not processed the request, which may then go there again. */
export function isUnprocessed(failure: AttemptFailure): boolean {
  return failure === "unprocessed" || failure === "goaway";
}
