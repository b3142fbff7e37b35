import { ConnectError } from "@connectrpc/connect";
import { errorByReason, isRetryable, ScoringError, UpstreamFailedError } from "@tensorgate/core";
import { ErrorInfoSchema, RetryInfoSchema } from "@tensorgate/proto/google/rpc/error_details";

/** What is known of a call that failed. */
export interface CallFacts {
  readonly method: string;
  /** Name that was asked for. */
  readonly model?: string;
  readonly requestId: string;
  /** Attempts that were made. */
  readonly attempts: number;
}

/** A failure, with the call that it is of. The class says why: `UnknownModelError`, `OverloadedError` … */
export type ClientError = ScoringError &
  CallFacts & {
    /** Whether the same call may succeed when it is made again. */
    readonly retryable: boolean;
    /** gRPC's status code, where the gateway gave one. */
    readonly grpcCode?: number;
  };

/** What the transport threw, in our own words. */
export function errorFromTransport(thrown: unknown): ScoringError {
  if (ScoringError.is(thrown)) return thrown;
  if (!(thrown instanceof ConnectError)) return unreachable(thrown);
  const [info] = thrown.findDetails(ErrorInfoSchema);
  const { rawMessage: message, code: grpcCode } = thrown;
  if (info?.domain !== "tensorgate") return unreachable(thrown);
  const [retry] = thrown.findDetails(RetryInfoSchema);
  const { hint, field } = info.metadata;
  const { seconds, nanos } = retry?.retryDelay ?? { seconds: undefined, nanos: 0 };
  return errorByReason(info.reason, {
    ...{ message, grpcCode, cause: thrown },
    ...(hint !== undefined && { hint }),
    ...(field !== undefined && { field }),
    ...(seconds !== undefined && { retryAfterMs: Number(seconds) * 1_000 + nanos / 1e6 }),
  });
}

/** Whoever answered was no gateway, or nobody answered. */
function unreachable(cause: unknown): UpstreamFailedError {
  const text = cause instanceof Error ? cause.message : String(cause);
  return new UpstreamFailedError(`the gateway cannot be reached: ${text}`, {
    wasLost: true,
    hint: "is the URL right, and does something answer there? tensorgate demo starts one",
    cause,
  });
}

/** The error that a caller gets: it says what was called, what went wrong and what to do. */
export function clientError(error: ScoringError, facts: CallFacts): ClientError {
  const { reason, message, hint, field, retryAfterMs, cause } = error;
  const call = `${facts.method}${facts.model === undefined ? "" : `(${facts.model})`}`;
  const whole = `${call}: ${message}${hint === undefined ? "" : `. Hint: ${hint}`}`;
  const grpcCode = cause instanceof ConnectError ? cause.code : undefined;
  const told = errorByReason(reason, {
    ...{ message: whole, grpcCode: grpcCode ?? 2, cause: cause ?? error },
    ...(hint !== undefined && { hint }),
    ...(field !== undefined && { field }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });
  return Object.assign(told, facts, {
    retryable: isRetryable(error),
    ...(grpcCode !== undefined && { grpcCode }),
  });
}
