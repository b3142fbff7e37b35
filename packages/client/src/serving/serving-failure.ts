import type { ServiceError } from "@grpc/grpc-js";
import type { WireCodes } from "@tensorgate/client-core";
import {
  CancelledError,
  DeadlineExceededError,
  ForbiddenError,
  QuotaExceededError,
  type ScoringError,
  UnauthenticatedError,
  UpstreamAnsweredError,
  UpstreamFailedError,
} from "@tensorgate/core";
import { grpcCode, grpcCodeName } from "@tensorgate/grpc";
import { maxReplyBytes } from "../reply-limit.ts";

/** Codes by which a server blames the request: it would say the same again. */
const blamesRequest: ReadonlySet<number> = new Set([
  grpcCode.INVALID_ARGUMENT,
  grpcCode.NOT_FOUND,
  grpcCode.ALREADY_EXISTS,
  grpcCode.FAILED_PRECONDITION,
  grpcCode.OUT_OF_RANGE,
  grpcCode.UNIMPLEMENTED,
]);

/** What a FPGA's container says of an input that it does not know. */
const nullReference = "Object reference not set to an instance of an object";

/** What a model server's status means for the caller. */
export function failureFromStatus(cause: ServiceError, address: string): ScoringError {
  const { code, details } = cause;
  const text = `${address} answered ${grpcCodeName(code)}: ${details}`;
  if (details.includes(nullReference)) {
    return new UpstreamAnsweredError(text, grpcCode.INVALID_ARGUMENT, {
      hint: "the container does not know an input by that name: its graph may call it Placeholder_1:0",
      cause,
    });
  }
  if (blamesRequest.has(code)) return new UpstreamAnsweredError(text, code, { cause });
  switch (code) {
    case grpcCode.CANCELLED:
      return new CancelledError("the call was cancelled", { cause });
    case grpcCode.DEADLINE_EXCEEDED:
      return new DeadlineExceededError(`${address} gave no answer in time`, { cause });
    case grpcCode.UNAUTHENTICATED:
      return new UnauthenticatedError(text, { hint: "give an accessToken", cause });
    case grpcCode.PERMISSION_DENIED:
      return new ForbiddenError(text, { cause });
    case grpcCode.RESOURCE_EXHAUSTED:
      // The library says so of a reply as a server says so of a request.
      if (details.includes(`vs ${maxReplyBytes})`)) {
        return new UpstreamFailedError(`${address} answered more than ${maxReplyBytes} bytes`, {
          cause,
        });
      }
      return new QuotaExceededError(text, { cause });
    default:
      return new UpstreamFailedError(text, {
        hint: "does a model server run there? An FPGA that is being flashed takes minutes",
        wasLost: code === grpcCode.UNAVAILABLE,
        cause,
      });
  }
}

/** gRPC's code of a failure. */
export function wireCodesOfStatus({ cause }: ScoringError): WireCodes {
  const { code } = (cause ?? {}) as { readonly code?: unknown };
  return typeof code === "number" ? { grpcCode: code } : {};
}
