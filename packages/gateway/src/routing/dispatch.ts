import type { CallContext } from "@tensorgate/core";
import type { Attempt } from "./attempt.ts";

export interface Dispatched<Answer> {
  readonly answer: Answer;
  /** Where it was answered. */
  readonly region: string;
}

/** What the model of a call allows. */
export interface DispatchedModel {
  readonly name: string;
  /** Whether a request may be done twice. */
  readonly isRepeatable: boolean;
  /** Whether a slow one may be sent to a second replica. */
  readonly mayHedge: boolean;
}

/**
 * Finds a replica for a call and does `attempt` there, at another one when that fails.
 *
 * @throws NoReplicaError if no replica of the model is in rotation
 * @throws ModelNotReadyError if the model is being loaded everywhere
 * @throws ForbiddenError if residency leaves no region
 * @throws OverloadedError if too much is waiting
 * @throws UpstreamFailedError if every attempt failed
 */
export type Dispatch = <Answer>(
  model: DispatchedModel,
  call: CallContext,
  attempt: Attempt<Answer>,
) => Promise<Dispatched<Answer>>;
