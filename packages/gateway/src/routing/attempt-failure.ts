import {
  FailedPreconditionError,
  ModelNotReadyError,
  NotSupportedError,
  type ScoringError,
  UnknownModelError,
  UnknownVersionError,
  UpstreamAnsweredError,
  UpstreamFailedError,
} from "@tensorgate/core";
import type { AttemptFailure } from "./scheduler/events.ts";

/**
 * What an error says of the replica.
 *
 * @returns undefined where it says nothing against it: the request is to blame, and another replica would say the same
 */
export function attemptFailure(error: ScoringError): AttemptFailure | undefined {
  if (error instanceof ModelNotReadyError) return "warming";
  if (error instanceof UpstreamAnsweredError) return answeredFailure(error);
  if (isRefusedByGateway(error)) return "not-served";
  if (!(error instanceof UpstreamFailedError)) return undefined;
  if (error.isFull) return "full";
  if (error.wasNeverSent) return error.wasLost ? "never-sent" : "turned-away";
  return error.wasLost ? "lost" : "failed";
}

/** What the gateway of another region says before it sends a call to any replica. */
function isRefusedByGateway(error: ScoringError): boolean {
  return (
    error instanceof UnknownModelError ||
    error instanceof UnknownVersionError ||
    error instanceof FailedPreconditionError ||
    error instanceof NotSupportedError
  );
}

const grpcCodes = { invalidArgument: 3, notFound: 5, failedPrecondition: 9, unimplemented: 12 };

/**
 * NOT_FOUND, FAILED_PRECONDITION and UNIMPLEMENTED may be the fault of this replica alone: it has not loaded the model,
 * or is a server of another kind. By their definitions they are said before a request is carried out: what was asked for
 * does not exist, the state for it is not given, or the operation is not there. So nothing was done, and even a request
 * that must not be done twice may go elsewhere. The exception is TensorFlow, whose operations raise the same codes in
 * the middle of a run, when others may have changed variables already; it names the operation then.
 */
function answeredFailure({ grpcCode, message }: UpstreamAnsweredError): AttemptFailure | undefined {
  switch (grpcCode) {
    case grpcCodes.notFound:
    case grpcCodes.failedPrecondition:
    case grpcCodes.unimplemented:
      return namesOperation.test(message) ? "model-broken" : "not-served";
    case grpcCodes.invalidArgument:
      return namesLabel.test(message) ? "unknown-label" : undefined;
    default:
      return undefined;
  }
}

/** How TensorFlow ends the text of an error that an operation raised: `[[{{node name}}]]`. */
const namesOperation = /\[\[\{*node /;

/** TensorFlow Serving calls a label that it does not know, or does not allow, an invalid argument. */
const namesLabel = /version[ _]label/i;
