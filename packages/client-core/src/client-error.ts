import {
  cutText,
  errorByReason,
  type FailedCall,
  type ScoringError,
  TimeoutError,
  UpstreamAnsweredError,
} from "@tensorgate/core";
import { definedOf } from "./defined-of.ts";
import { isRetryable } from "./retry-policy.ts";

/** Describes a call that failed. */
export type CallInfo = Omit<FailedCall, keyof WireCodes | "retryable">;

/** The code of a response, in its protocol. */
export type WireCodes = Pick<FailedCall, "grpcCode" | "status">;

/** A failure of a call. The class is the reason: `UnknownModelError`, `OverloadedError` … */
export type ClientError = ScoringError & FailedCall;

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
  const details = { ...definedOf({ hint, field, retryAfterMs }), cause: cause ?? error };
  const failure =
    error instanceof TimeoutError
      ? new TimeoutError(whole, details)
      : errorByReason(reason, { message: whole, grpcCode: wire.grpcCode ?? own ?? 2, ...details });
  return Object.assign(failure, facts, wire, { retryable: isRetryable(error) });
}
