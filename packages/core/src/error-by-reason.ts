import {
  CancelledError,
  DeadlineExceededError,
  FailedPreconditionError,
  type FailureDetails,
  type FailureReason,
  ForbiddenError,
  InternalError,
  InvalidRequestError,
  ModelNotReadyError,
  NoReplicaError,
  NotSupportedError,
  OverloadedError,
  QuotaExceededError,
  type ScoringError,
  TooLargeError,
  UnauthenticatedError,
  UnknownModelError,
  UnknownVersionError,
  UnsupportedMediaError,
  UpstreamAnsweredError,
  UpstreamFailedError,
} from "./scoring-error.ts";

type ErrorClass = new (message: string, details: FailureDetails) => ScoringError;

const classes: Readonly<
  Record<Exclude<FailureReason, "internal" | "upstream-answered">, ErrorClass>
> = {
  cancelled: CancelledError,
  "invalid-request": InvalidRequestError,
  "unsupported-media": UnsupportedMediaError,
  "too-large": TooLargeError,
  "deadline-exceeded": DeadlineExceededError,
  "unknown-model": UnknownModelError,
  "unknown-version": UnknownVersionError,
  unauthenticated: UnauthenticatedError,
  forbidden: ForbiddenError,
  "failed-precondition": FailedPreconditionError,
  "not-supported": NotSupportedError,
  "quota-exceeded": QuotaExceededError,
  overloaded: OverloadedError,
  "model-not-ready": ModelNotReadyError,
  "no-replica": NoReplicaError,
  "upstream-failed": UpstreamFailedError,
};

/** A failure as it was received. */
export interface ReceivedFailure extends FailureDetails {
  readonly message: string;
  /** gRPC status code, for reasons that do not determine it. */
  readonly grpcCode: number;
}

/** Creates the error of a reason; an unknown reason is `internal`. */
export function errorByReason(
  reason: string,
  { message, grpcCode, ...details }: ReceivedFailure,
): ScoringError {
  if (reason === "upstream-answered") return new UpstreamAnsweredError(message, grpcCode, details);
  const found = Object.hasOwn(classes, reason)
    ? classes[reason as keyof typeof classes]
    : undefined;
  return found
    ? new found(message, details)
    : new InternalError(details.cause ?? new Error(message), message, details);
}
