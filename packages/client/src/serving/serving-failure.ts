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

/** Codes for a fault of the request, which a retry would repeat. */
const requestFaults: ReadonlySet<number> = new Set([
  grpcCode.INVALID_ARGUMENT,
  grpcCode.NOT_FOUND,
  grpcCode.ALREADY_EXISTS,
  grpcCode.FAILED_PRECONDITION,
  grpcCode.OUT_OF_RANGE,
  grpcCode.UNIMPLEMENTED,
]);

/** Error text of an FPGA container for an unknown input. */
const nullReference = "Object reference not set to an instance of an object";

/** Converts the status of a model server to a ScoringError. */
export function failureFromStatus(cause: ServiceError, address: string): ScoringError {
  const { code, details } = cause;
  const text = `${address} answered ${grpcCodeName(code)}: ${details}`;
  if (details.includes(nullReference)) {
    return new UpstreamAnsweredError(text, grpcCode.INVALID_ARGUMENT, {
      hint: "the container has no input of that name; in its graph the name may be Placeholder_1:0",
      cause,
    });
  }
  if (requestFaults.has(code)) return new UpstreamAnsweredError(text, code, { cause });
  switch (code) {
    case grpcCode.CANCELLED:
      return new CancelledError("the call was cancelled", { cause });
    case grpcCode.DEADLINE_EXCEEDED:
      return new DeadlineExceededError(`${address} did not respond in time`, { cause });
    case grpcCode.UNAUTHENTICATED:
      return new UnauthenticatedError(text, { hint: "set accessToken", cause });
    case grpcCode.PERMISSION_DENIED:
      return new ForbiddenError(text, { cause });
    case grpcCode.RESOURCE_EXHAUSTED:
      // The library uses this code for a reply that is too long, a server for a request.
      if (details.includes(`vs ${maxReplyBytes})`)) {
        return new UpstreamFailedError(
          `the reply of ${address} is longer than ${maxReplyBytes} bytes`,
          {
            cause,
          },
        );
      }
      return new QuotaExceededError(text, { cause });
    default:
      return new UpstreamFailedError(text, {
        hint: "check that a model server runs there; flashing an FPGA takes minutes",
        wasLost: code === grpcCode.UNAVAILABLE,
        cause,
      });
  }
}

/** Returns the gRPC code of a failure. */
export function wireCodesOfStatus({ cause }: ScoringError): WireCodes {
  const { code } = (cause ?? {}) as { readonly code?: unknown };
  return typeof code === "number" ? { grpcCode: code } : {};
}
