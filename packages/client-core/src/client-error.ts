import { cutText, errorByReason, type ScoringError, UpstreamAnsweredError } from "@tensorgate/core";
import { isRetryable } from "./retry-policy.ts";

/** Describes a call that failed. */
export interface CallInfo {
  readonly method: string;
  /** Name of the requested model. */
  readonly model?: string;
  readonly requestId: string;
  /** Attempts that were made. */
  readonly attempts: number;
  /** Region in which it failed, if the gateway named it. */
  readonly region?: string;
}

/** The code of a response, in its protocol. */
export interface WireCodes {
  readonly grpcCode?: number;
  /** HTTP status. */
  readonly status?: number;
}

/** A failure and its call. The class is the reason: `UnknownModelError`, `OverloadedError` … */
export type ClientError = ScoringError &
  CallInfo &
  WireCodes & {
    /** Whether a retry of the same call may succeed. */
    readonly retryable: boolean;
  };

/** Most characters of a model's name in a message. */
const maxNameChars = 80;

/** Returns the error that a caller gets, with the call, the cause and what to do in its message. */
export function clientError(
  error: ScoringError,
  facts: CallInfo,
  wire: WireCodes = {},
): ClientError {
  const { reason, message, hint, field, retryAfterMs, cause } = error;
  const model = facts.model === undefined ? "" : `(${cutText(facts.model, maxNameChars)})`;
  const whole = `${facts.method}${model}: ${message}${hint === undefined ? "" : `. Hint: ${hint}`}`;
  const own = error instanceof UpstreamAnsweredError ? error.grpcCode : undefined;
  const failure = errorByReason(reason, {
    message: whole,
    grpcCode: wire.grpcCode ?? own ?? 2,
    cause: cause ?? error,
    ...(hint !== undefined && { hint }),
    ...(field !== undefined && { field }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });
  return Object.assign(failure, facts, wire, { retryable: isRetryable(error) });
}
