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
 * Classifies the error of an attempt.
 *
 * @returns undefined if the request is wrong, so that another replica would answer the same
 */
export function attemptFailure(error: ScoringError): AttemptFailure | undefined {
  if (error instanceof ModelNotReadyError) return "warming";
  if (error instanceof UpstreamAnsweredError) return answeredFailure(error);
  if (isRejectedByGateway(error)) return "not-served";
  if (!(error instanceof UpstreamFailedError)) return undefined;
  if (error.isFull) return "full";
  if (error.isUnprocessed) return error.wasLost ? "unprocessed" : "goaway";
  return error.wasLost ? "lost" : "failed";
}

/** Whether a replica does not know the version label that a call names, or does not allow it. */
export function isUnknownLabel(error: ScoringError | undefined): error is UpstreamAnsweredError {
  return error instanceof UpstreamAnsweredError && answeredFailure(error) === "unknown-label";
}

/** Whether the gateway of another region rejected a call before it sent it to a replica. */
function isRejectedByGateway(error: ScoringError): boolean {
  return (
    error instanceof UnknownModelError ||
    error instanceof UnknownVersionError ||
    error instanceof FailedPreconditionError ||
    error instanceof NotSupportedError
  );
}

const grpcCodes = { invalidArgument: 3, notFound: 5, failedPrecondition: 9, unimplemented: 12 };

/**
 * Classifies a status of the replica.
 *
 * NOT_FOUND, FAILED_PRECONDITION and UNIMPLEMENTED may be the fault of this replica alone: it has not loaded the model, or
 * is a server of another kind. By their definitions a server returns them before it processes a request, so that even one
 * that is not idempotent may be retried. The exception is TensorFlow, whose operations raise the same codes during a run,
 * when variables may have changed already; the message then names the operation.
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

/** The end of a message of TensorFlow about an error of an operation: `[[{{node name}}]]`. */
const namesOperation = /\[\[\{*node /;

/** TensorFlow Serving returns INVALID_ARGUMENT for a label that it does not know or allow. */
const namesLabel = /version[ _]label/i;
