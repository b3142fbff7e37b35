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

/** What a failure said of itself on the wire. */
export interface ToldFailure extends FailureDetails {
  readonly message: string;
  /** gRPC's status code, where the reason alone does not give it. */
  readonly grpcCode: number;
}

/** The error of the class that a reason has; one that is not known here is `internal`. */
export function errorByReason(
  reason: string,
  { message, grpcCode, ...details }: ToldFailure,
): ScoringError {
  if (reason === "upstream-answered") return new UpstreamAnsweredError(message, grpcCode, details);
  const found = Object.hasOwn(classes, reason)
    ? classes[reason as keyof typeof classes]
    : undefined;
  return found
    ? new found(message, details)
    : new InternalError(details.cause ?? new Error(message), message, details);
}
