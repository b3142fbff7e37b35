import type { IncomingHttpHeaders } from "node:http2";
import { type ScoringError, UpstreamAnsweredError, UpstreamFailedError } from "@tensorgate/core";
import { grpcCode, grpcCodeName } from "@tensorgate/tf-serving";

export interface GrpcStatus {
  readonly code: number;
  readonly message: string;
}

/**
 * Reads `grpc-status` and `grpc-message` from the trailers, or from the headers of a reply that has no body.
 *
 * @returns undefined if neither has a status, as when the connection broke or a proxy answered
 * @see gRPC over HTTP/2, "Responses"
 */
export function grpcStatusFrom(
  headers: IncomingHttpHeaders,
  trailers: IncomingHttpHeaders,
): GrpcStatus | undefined {
  const block = trailers["grpc-status"] === undefined ? headers : trailers;
  const code = Number(block["grpc-status"]);
  if (block["grpc-status"] === undefined || !Number.isInteger(code)) return undefined;
  return { code, message: percentDecoded(String(block["grpc-message"] ?? "")) };
}

/** gRPC says: a message that is not well encoded is shown as it came, never dropped. */
function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * Codes by which a server blames the request: another replica would say the same. A server that refuses who asks
 * refuses the gateway, whose key is its own: a caller can do nothing about that.
 */
const blamesRequest: ReadonlySet<number> = new Set([
  grpcCode.INVALID_ARGUMENT,
  grpcCode.NOT_FOUND,
  grpcCode.ALREADY_EXISTS,
  grpcCode.FAILED_PRECONDITION,
  grpcCode.OUT_OF_RANGE,
  grpcCode.UNIMPLEMENTED,
]);

/** What a status other than OK means for the call. */
export function errorFromGrpcStatus({ code, message }: GrpcStatus): ScoringError {
  if (blamesRequest.has(code)) return new UpstreamAnsweredError(message, code);
  return new UpstreamFailedError(`the replica failed (${grpcCodeName(code)})`, {
    cause: new Error(message),
  });
}
