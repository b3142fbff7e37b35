import {
  type CallContext,
  ModelNotReadyError,
  type ScoringError,
  UpstreamFailedError,
} from "@tensorgate/core";
import type { AttemptFailure } from "./dispatcher/events.ts";

/** Does something at one replica; it may be done again at another when it fails. */
export type Attempt<Answer> = (replicaId: string, call: CallContext) => Promise<Answer>;

/**
 * What an error says of the replica.
 *
 * @returns undefined where it says nothing against it: the request is to blame, and another replica would say the same
 */
export function attemptFailure(error: ScoringError): AttemptFailure | undefined {
  if (error instanceof ModelNotReadyError) return "warming";
  if (!(error instanceof UpstreamFailedError)) return undefined;
  if (error.isFull) return "full";
  if (error.wasNeverSent) return error.wasLost ? "never-sent" : "turned-away";
  return error.wasLost ? "lost" : "failed";
}
