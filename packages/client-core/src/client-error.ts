import { cutText, errorByReason, type ScoringError, UpstreamAnsweredError } from "@tensorgate/core";
import { isRetryable } from "./retry-policy.ts";

/** What is known of a call that failed. */
export interface CallInfo {
  readonly method: string;
  /** Name that was asked for. */
  readonly model?: string;
  readonly requestId: string;
  /** Attempts that were made. */
  readonly attempts: number;
  /** Where it failed, where the gateway said so. */
  readonly region?: string;
}

/** The code of an answer, in the terms of the protocol that it came by. */
export interface WireCodes {
  readonly grpcCode?: number;
  /** HTTP's. */
  readonly status?: number;
}

/** A failure, with the call that it is of. The class says why: `UnknownModelError`, `OverloadedError` … */
export type ClientError = ScoringError &
  CallInfo &
  WireCodes & {
    /** Whether the same call may succeed when it is made again. */
    readonly retryable: boolean;
  };

/** Most characters of a model's name in a message. */
const maxNameChars = 80;

/** The error that a caller gets: it says what was called, what went wrong and what to do. */
export function clientError(
  error: ScoringError,
  facts: CallInfo,
  wire: WireCodes = {},
): ClientError {
  const { reason, message, hint, field, retryAfterMs, cause } = error;
  const model = facts.model === undefined ? "" : `(${cutText(facts.model, maxNameChars)})`;
  const whole = `${facts.method}${model}: ${message}${hint === undefined ? "" : `. Hint: ${hint}`}`;
  const own = error instanceof UpstreamAnsweredError ? error.grpcCode : undefined;
  const told = errorByReason(reason, {
    message: whole,
    grpcCode: wire.grpcCode ?? own ?? 2,
    cause: cause ?? error,
    ...(hint !== undefined && { hint }),
    ...(field !== undefined && { field }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });
  return Object.assign(told, facts, wire, { retryable: isRetryable(error) });
}
