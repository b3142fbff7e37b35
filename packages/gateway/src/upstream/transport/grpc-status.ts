import type { IncomingHttpHeaders } from "node:http2";
import { type ScoringError, UpstreamAnsweredError, UpstreamFailedError } from "@tensorgate/core";
import { grpcCode, grpcCodeName } from "@tensorgate/tf-serving";

export interface GrpcStatus {
  readonly code: number;
  readonly message: string;
  /** Where it stood, with what else there was. */
  readonly headers: IncomingHttpHeaders;
  /** The HTTP status that it was derived from, where the reply has no gRPC status: a proxy's, or a web server's. */
  readonly httpStatus?: number;
}

/**
 * Reads `grpc-status` and `grpc-message` from the trailers, or from the headers of a reply that has no body.
 *
 * A proxy that answers in the place of a server says what it has to say in HTTP alone.
 *
 * @returns undefined if there is no status, as when the connection broke
 * @see gRPC over HTTP/2, "Responses"
 */
export function grpcStatusFrom(
  headers: IncomingHttpHeaders,
  trailers: IncomingHttpHeaders,
): GrpcStatus | undefined {
  const block = trailers["grpc-status"] === undefined ? headers : trailers;
  if (block["grpc-status"] === undefined) return statusOfProxy(headers);
  const code = Number(block["grpc-status"]);
  if (!Number.isInteger(code)) return undefined;
  return { code, message: percentDecoded(String(block["grpc-message"] ?? "")), headers: block };
}

/** @see gRPC, "HTTP to gRPC Status Code Mapping" */
function statusOfProxy(headers: IncomingHttpHeaders): GrpcStatus | undefined {
  const httpStatus = Number(headers[":status"]);
  if (Number.isNaN(httpStatus)) return undefined;
  // A web server may answer every path with a page.
  const isGrpc = /^application\/grpc\b/i.test(headers["content-type"] ?? "application/grpc");
  if (httpStatus === 200 && isGrpc) return undefined;
  const code = codeOfHttpStatus.get(httpStatus) ?? grpcCode.UNKNOWN;
  return { code, message: `HTTP status ${httpStatus} and no gRPC status`, headers: {}, httpStatus };
}

const codeOfHttpStatus: ReadonlyMap<number, number> = new Map([
  [400, grpcCode.INTERNAL],
  [401, grpcCode.UNAUTHENTICATED],
  [403, grpcCode.PERMISSION_DENIED],
  [404, grpcCode.UNIMPLEMENTED],
  [429, grpcCode.UNAVAILABLE],
  [502, grpcCode.UNAVAILABLE],
  [503, grpcCode.UNAVAILABLE],
  [504, grpcCode.UNAVAILABLE],
]);

/** What a replica said, kept as the cause of an error that says less of it to callers. */
export class GrpcStatusError extends Error {
  override readonly name = "GrpcStatusError";
  readonly code: number;
  readonly headers: IncomingHttpHeaders;
  readonly httpStatus: number | undefined;

  constructor({ code, message, headers, httpStatus }: GrpcStatus) {
    super(message);
    this.code = code;
    this.headers = headers;
    this.httpStatus = httpStatus;
  }
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

/**
 * What servers say of a message that is longer than they take, under the same code as of having no room: in C++, Go and
 * JavaScript the first, in Java and .NET the second. A larger machine would say it too.
 */
const tooLong = /larger than max|exceeds (the )?maximum/;

/** What a status other than OK means for the call. Its cause is a `GrpcStatusError`. */
export function errorFromGrpcStatus(status: GrpcStatus): ScoringError {
  const { code, message } = status;
  const cause = new GrpcStatusError(status);
  const isExhausted = code === grpcCode.RESOURCE_EXHAUSTED;
  if (blamesRequest.has(code) || (isExhausted && tooLong.test(message))) {
    return new UpstreamAnsweredError(message, code, { cause });
  }
  const words = isExhausted ? "the replica has no room" : "the replica failed";
  return new UpstreamFailedError(`${words} (${grpcCodeName(code)})`, {
    isFull: isExhausted,
    cause,
  });
}
