import { Code, ConnectError } from "@connectrpc/connect";
import { CancelledError, DeadlineExceededError, type ScoringError } from "@tensorgate/core";
import { ErrorInfoSchema, RetryInfoSchema } from "@tensorgate/proto/google/rpc/error_details";
import { errorHeaders } from "../call.ts";
import { wireStatusOf } from "../wire-status.ts";

/**
 * A failure as Connect, gRPC and gRPC-Web carry it: its code, and reason and pushback as details.
 * Connect derives its HTTP status from the code, so it is given none.
 */
export function connectErrorFrom(
  error: ScoringError,
  requestId: string,
  headers: Readonly<Record<string, string>> = errorHeaders(error, requestId),
): ConnectError {
  const { reason, hint, field, retryAfterMs, message } = error;
  const metadata = {
    requestId,
    ...(hint !== undefined && { hint }),
    ...(field !== undefined && { field }),
  };
  const details = [
    { desc: ErrorInfoSchema, value: { reason, domain: "tensorgate", metadata } },
    ...(retryAfterMs === undefined ? [] : [retryInfo(retryAfterMs)]),
  ];
  return new ConnectError(message, wireStatusOf(error).grpc as Code, { ...headers }, details);
}

function retryInfo(retryAfterMs: number) {
  const wholeMs = Math.ceil(retryAfterMs);
  const retryDelay = {
    seconds: BigInt(Math.floor(wholeMs / 1_000)),
    nanos: (wholeMs % 1_000) * 1_000_000,
  };
  return { desc: RetryInfoSchema, value: { retryDelay } };
}

/** Why Connect ended a call: its timer of the deadline may run before ours. */
export function reasonOfAbort(reason: unknown): ScoringError {
  if (reason instanceof ConnectError && reason.code === Code.DeadlineExceeded) {
    return new DeadlineExceededError("deadline exceeded", { cause: reason });
  }
  return new CancelledError("the client closed the request", { cause: reason });
}
