import type { IncomingHttpHeaders } from "node:http2";
import { type ScoringError, UpstreamAnsweredError, UpstreamFailedError } from "@tensorgate/core";
import { grpcCode, grpcCodeName } from "@tensorgate/tf-serving";
import { errorFromHttpStatus, grpcCodeFromHttpStatus } from "./http-status.ts";

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
  const code = codeFrom(String(block["grpc-status"]));
  return { code, message: messageText(String(block["grpc-message"] ?? "")), headers: block };
}

function codeFrom(text: string): number {
  return /^\d{1,2}$/.test(text) ? knownGrpcCode(Number(text)) : grpcCode.UNKNOWN;
}

/** A status code; UNKNOWN for one that gRPC does not have. */
export function knownGrpcCode(code: number): number {
  const isKnown = Number.isInteger(code) && code >= 0 && code <= grpcCode.UNAUTHENTICATED;
  return isKnown ? code : grpcCode.UNKNOWN;
}

function statusOfProxy(headers: IncomingHttpHeaders): GrpcStatus | undefined {
  const httpStatus = Number(headers[":status"]);
  if (Number.isNaN(httpStatus)) return undefined;
  // A web server may answer every path with a page.
  const isGrpc = /^application\/grpc\b/i.test(headers["content-type"] ?? "application/grpc");
  if (httpStatus === 200 && isGrpc) return undefined;
  const message = `HTTP status ${httpStatus} and no gRPC status`;
  return { code: grpcCodeFromHttpStatus(httpStatus), message, headers: {}, httpStatus };
}

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

/** Longest text of a replica that goes to callers and logs, in characters. */
const maxTextChars = 1_024;

/** What a replica says for people, cut where it is very long. */
export function shortText(text: string): string {
  if (text.length <= maxTextChars) return text;
  return `${text.slice(0, maxTextChars).toWellFormed()}…`;
}

/** gRPC says: a message that is not well encoded is shown as it came, never dropped. */
function messageText(encoded: string): string {
  try {
    return shortText(decodeURIComponent(encoded));
  } catch {
    return shortText(encoded);
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
  const { code, message, httpStatus } = status;
  const cause = new GrpcStatusError(status);
  if (httpStatus !== undefined) return errorFromHttpStatus(httpStatus, cause);
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
