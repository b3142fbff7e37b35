import { cutText } from "./message-text.ts";

/** Why a call failed; the gateway's `inbound/wire-status.ts` gives each its codes. */
export type FailureReason =
  | "cancelled"
  | "invalid-request"
  | "unsupported-media"
  | "too-large"
  | "deadline-exceeded"
  | "unknown-model"
  | "unknown-version"
  | "unauthenticated"
  | "forbidden"
  | "failed-precondition"
  | "not-supported"
  | "quota-exceeded"
  | "overloaded"
  | "model-not-ready"
  | "no-replica"
  | "upstream-failed"
  | "upstream-answered"
  | "internal";

/** Details of a failure beside the message. */
export interface FailureDetails {
  /** What to do about it. */
  readonly hint?: string;
  /** Which part of the request: a JSON path, a header, a query parameter. */
  readonly field?: string;
  /** Delay before a retry, in milliseconds. Sent as `retry-after` and `grpc-retry-pushback-ms`. */
  readonly retryAfterMs?: number;
  /** For our own logs only: never sent to a caller. */
  readonly cause?: unknown;
}

/** What a client knows of a failed call beside its reason. */
export interface FailedCall {
  /** Method of the client. */
  readonly method: string;
  /** Name of the requested model. */
  readonly model?: string;
  readonly requestId: string;
  /** Attempts that were sent; 0 if nothing was sent. */
  readonly attempts: number;
  /** Region in which it failed, if the gateway named it. */
  readonly region?: string;
  readonly grpcCode?: number;
  /** HTTP status; over gRPC absent, unless the response is not from a gateway. */
  readonly status?: number;
  /** Whether a retry of the same call may succeed. */
  readonly retryable: boolean;
}

/** Longest text of a failure, in characters: it quotes names of any length, and gRPC carries it in a header. */
const maxTextChars = 1_024;

const brand = Symbol.for("tensorgate.ScoringError");

/**
 * The only error that crosses a stage boundary.
 * `message` is for the caller; what must not leave the gateway goes in `cause`. Its texts are cut after
 * 1,024 characters. The members of `FailedCall` are those of a call of a client; elsewhere they are absent.
 */
export abstract class ScoringError extends Error implements Partial<FailedCall> {
  abstract readonly reason: FailureReason;
  readonly hint: string | undefined;
  readonly field: string | undefined;
  readonly retryAfterMs: number | undefined;
  declare readonly method?: string;
  declare readonly model?: string;
  declare readonly requestId?: string;
  declare readonly attempts?: number;
  declare readonly region?: string;
  declare readonly grpcCode?: number;
  declare readonly status?: number;
  declare readonly retryable?: boolean;

  constructor(message: string, { hint, field, retryAfterMs, cause }: FailureDetails = {}) {
    super(cutText(message, maxTextChars), cause === undefined ? undefined : { cause });
    this.hint = hint === undefined ? hint : cutText(hint, maxTextChars);
    this.field = field === undefined ? field : cutText(field, maxTextChars);
    this.retryAfterMs = retryAfterMs;
    Object.defineProperty(this, brand, { value: true });
  }

  /** Returns whether it is a `ScoringError`, also one of a duplicate copy of this package. */
  static is(thrown: unknown): thrown is ScoringError {
    return typeof thrown === "object" && thrown !== null && brand in thrown;
  }

  /** Returns its members for JSON, with the message, and without the stack and the cause. */
  toJSON(): object {
    return { ...this, message: this.message };
  }

  /** Returns a `ScoringError` as it is; anything else is a bug or a broken dependency, so it is `internal`. */
  static from(thrown: unknown): ScoringError {
    return ScoringError.is(thrown) ? thrown : new InternalError(thrown);
  }
}

// Names are spelled out because minifiers rename constructors.

export class CancelledError extends ScoringError {
  override readonly name = "CancelledError";
  readonly reason = "cancelled";
}

export class InvalidRequestError extends ScoringError {
  override readonly name = "InvalidRequestError";
  readonly reason = "invalid-request";
}

/** What is known of media that are not supported beside the message. */
export interface UnsupportedMedia extends FailureDetails {
  /** Whether the encoding of the body or message is not supported, rather than what is in it. */
  readonly isEncoding?: boolean;
}

export class UnsupportedMediaError extends ScoringError {
  override readonly name = "UnsupportedMediaError";
  readonly reason = "unsupported-media";
  readonly isEncoding: boolean;

  constructor(message: string, { isEncoding = false, ...details }: UnsupportedMedia = {}) {
    super(message, details);
    this.isEncoding = isEncoding;
  }
}

export class TooLargeError extends ScoringError {
  override readonly name = "TooLargeError";
  readonly reason = "too-large";
}

export class DeadlineExceededError extends ScoringError {
  override readonly name = "DeadlineExceededError";
  readonly reason = "deadline-exceeded";
}

export class UnknownModelError extends ScoringError {
  override readonly name = "UnknownModelError";
  readonly reason = "unknown-model";
}

export class UnknownVersionError extends ScoringError {
  override readonly name = "UnknownVersionError";
  readonly reason = "unknown-version";
}

export class FailedPreconditionError extends ScoringError {
  override readonly name = "FailedPreconditionError";
  readonly reason = "failed-precondition";
}

export class NotSupportedError extends ScoringError {
  override readonly name = "NotSupportedError";
  readonly reason = "not-supported";
}

export class OverloadedError extends ScoringError {
  override readonly name = "OverloadedError";
  readonly reason = "overloaded";
}

export class QuotaExceededError extends ScoringError {
  override readonly name = "QuotaExceededError";
  readonly reason = "quota-exceeded";
}

export class UnauthenticatedError extends ScoringError {
  override readonly name = "UnauthenticatedError";
  readonly reason = "unauthenticated";
}

export class ForbiddenError extends ScoringError {
  override readonly name = "ForbiddenError";
  readonly reason = "forbidden";
}

/** The model is there, but is still being loaded. */
export class ModelNotReadyError extends ScoringError {
  override readonly name = "ModelNotReadyError";
  readonly reason = "model-not-ready";
}

export class NoReplicaError extends ScoringError {
  override readonly name = "NoReplicaError";
  readonly reason = "no-replica";
}

/** What is known of a failed attempt beside the message. */
export interface UpstreamFailure extends FailureDetails {
  /** Whether the connection broke or was never made, rather than the replica saying that it failed. */
  readonly wasLost?: boolean;
  /** Whether the replica has not processed the request, so that a retry repeats nothing. */
  readonly isUnprocessed?: boolean;
  /** Whether the replica is full rather than broken: it works, and has no room for more. */
  readonly isFull?: boolean;
}

/** The replica or the connection to it failed; another replica may do better. */
export class UpstreamFailedError extends ScoringError {
  override readonly name: string = "UpstreamFailedError";
  readonly reason = "upstream-failed";
  readonly wasLost: boolean;
  readonly isUnprocessed: boolean;
  readonly isFull: boolean;

  constructor(
    message: string,
    { wasLost = false, isUnprocessed = false, isFull = false, ...details }: UpstreamFailure = {},
  ) {
    super(message, details);
    this.wasLost = wasLost;
    this.isUnprocessed = isUnprocessed;
    this.isFull = isFull;
  }
}

/** An attempt got no response in time, though its call has time left. A call that has none is `deadline-exceeded`. */
export class TimeoutError extends UpstreamFailedError {
  override readonly name = "TimeoutError";

  constructor(message: string, details: FailureDetails = {}) {
    super(message, { ...details, wasLost: true });
  }
}

/** The replica blames the request; its code and text are passed on. */
export class UpstreamAnsweredError extends ScoringError {
  override readonly name = "UpstreamAnsweredError";
  readonly reason = "upstream-answered";
  /** The replica's own gRPC status code. */
  override readonly grpcCode: number;

  constructor(message: string, grpcCode: number, details: FailureDetails = {}) {
    super(message, details);
    this.grpcCode = grpcCode;
  }
}

export class InternalError extends ScoringError {
  override readonly name = "InternalError";
  readonly reason = "internal";

  /** @param message - that of a server; for our own faults the details are in `cause` only */
  constructor(cause: unknown, message = "internal error", details: FailureDetails = {}) {
    super(message, { ...details, cause });
  }
}
