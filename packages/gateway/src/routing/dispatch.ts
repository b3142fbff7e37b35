import type { CallContext, ResolvedModel, ResolvedRequest } from "@tensorgate/core";
import type { Attempt } from "./attempt.ts";

export interface Dispatched<Answer> {
  readonly answer: Answer;
  /** Where it was answered. */
  readonly region: string;
}

/** What a call asks for, with what its model allows. */
export type DispatchedRequest = Pick<ResolvedRequest, "modelSpec"> & {
  readonly model: Pick<ResolvedModel, "name" | "isRepeatable" | "mayHedge">;
};

/**
 * Finds a replica for a call and does `attempt` there, at another one when that fails.
 *
 * @throws UnknownVersionError if no replica where it may be served has the version that it names
 * @throws NoReplicaError if no replica of the model is in rotation
 * @throws ModelNotReadyError if the model is being loaded everywhere
 * @throws ForbiddenError if residency leaves no region
 * @throws OverloadedError if too much is waiting
 * @throws UpstreamFailedError if every attempt failed
 */
export type Dispatch = <Answer>(
  request: DispatchedRequest,
  call: CallContext,
  attempt: Attempt<Answer>,
) => Promise<Dispatched<Answer>>;
