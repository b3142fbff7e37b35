import {
  cutText,
  DeadlineExceededError,
  listedNames,
  type ScoringError,
  TooLargeError,
  UpstreamAnsweredError,
  UpstreamFailedError,
} from "@tensorgate/core";
import {
  FramingError,
  grpcCode,
  grpcCodeName,
  type HeaderBlock,
  type ReceivedStatus,
} from "@tensorgate/grpc";
import { versionLabelsFrom, versionLabelsHeader } from "@tensorgate/tf-serving";
import type { OpenConnection } from "./connection.ts";
import { type Http2Stream, http2Code } from "./http2/contract.ts";

/** Longest text of a replica in responses and logs, in characters. */
const maxTextChars = 1_024;

/** Status of a replica: the cause of an error whose message tells clients less. */
export class GrpcStatusError extends Error {
  override readonly name = "GrpcStatusError";
  readonly code: number;
  readonly headers: HeaderBlock;
  readonly httpStatus: number | undefined;

  constructor({ code, message, headers, httpStatus }: ReceivedStatus) {
    super(cutText(message, maxTextChars));
    this.code = code;
    this.headers = headers;
    this.httpStatus = httpStatus;
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

/**
 * What a status other than OK means for the call. Its cause is a `GrpcStatusError`.
 *
 * @param path - of the method, for a server that does not have it and says nothing
 */
export function errorFromGrpcStatus(status: ReceivedStatus, path?: string): ScoringError {
  const cause = new GrpcStatusError(status);
  const { code, message, httpStatus } = cause;
  if (httpStatus !== undefined) return errorFromHttpStatus(httpStatus, cause);
  const isExhausted = code === grpcCode.RESOURCE_EXHAUSTED;
  if (blamesRequest.has(code) || (isExhausted && tooLong.test(message))) {
    const isMissing = code === grpcCode.UNIMPLEMENTED && path !== undefined;
    // A runtime that validates fields strictly drops a message that ends in a blank.
    const silent = isMissing
      ? `the replica does not have the method ${path.slice(1)}`
      : `the replica returned ${grpcCodeName(code)} without a message`;
    const text = message || silent;
    const labels = versionLabelsFrom(String(status.headers[versionLabelsHeader] ?? ""));
    const hint = `its labels: ${listedNames(labels)}`;
    return new UpstreamAnsweredError(text, code, { cause, ...(labels.length > 0 && { hint }) });
  }
  const words = isExhausted ? "the replica is out of resources" : "the replica failed";
  return new UpstreamFailedError(`${words} (${grpcCodeName(code)})`, {
    isFull: isExhausted,
    cause,
  });
}

/** Content, target and header fields that are too long: every replica behind such a proxy would be denied them. */
const saysTooLarge: ReadonlySet<number> = new Set([413, 414, 431]);

/**
 * Client errors that may be about one address rather than the request: the gateway's credentials there, a web server
 * of another kind, the wrong host, a connection that was too slow or too early, the load. A proxy that forbids the
 * gateway itself (403) forbids its probes too, so that its replica gets no calls.
 */
const blamesAddress: ReadonlySet<number> = new Set([
  401, 404, 405, 407, 408, 410, 415, 421, 425, 429,
]);

/**
 * What an HTTP status without a gRPC status means for the call. A proxy, or a web server that listens at a wrong
 * address, has answered, and the replica has said nothing. Any other client error is about the request, as of a
 * firewall that does not like what is in it: asking again or elsewhere is of no use.
 *
 * @see RFC 9110, section 15.5
 */
function errorFromHttpStatus(httpStatus: number, cause: Error): ScoringError {
  if (saysTooLarge.has(httpStatus)) {
    return new TooLargeError(
      `the request is too large for the proxy before the replica (HTTP status ${httpStatus})`,
      { hint: "send smaller or fewer pictures, or raise the proxy's limit", cause },
    );
  }
  if (httpStatus >= 400 && httpStatus < 500 && !blamesAddress.has(httpStatus)) {
    return new UpstreamAnsweredError(
      `the proxy before the replica rejected the request (HTTP status ${httpStatus})`,
      httpStatus === 403 ? grpcCode.PERMISSION_DENIED : grpcCode.INVALID_ARGUMENT,
      { hint: "the proxy's log and its rules about requests say why", cause },
    );
  }
  return new UpstreamFailedError(
    `a proxy or web server answered in place of the replica (HTTP status ${httpStatus})`,
    { isFull: httpStatus === 429, cause },
  );
}

/** What the server cannot have seen: the call may go elsewhere, whatever it is. */
export function unreachable(message: string, cause?: unknown): UpstreamFailedError {
  return new UpstreamFailedError(message, { wasLost: true, isUnprocessed: true, cause });
}

export function deadlinePassed(status: ReceivedStatus): DeadlineExceededError {
  return new DeadlineExceededError("deadline exceeded at the replica", {
    cause: new GrpcStatusError(status),
  });
}

/** What a reply that is not one message means for the call. */
export function unreadableReply(cause: unknown): unknown {
  if (!(cause instanceof FramingError)) return cause;
  const what = cause.isTooLong ? "is too large" : "cannot be decoded";
  return new UpstreamFailedError(`the replica's response ${what}`, { cause });
}

/** @param maxBytes - of headers, and of trailers */
export function headersTooLong(maxBytes: number): UpstreamFailedError {
  return new UpstreamFailedError("the replica's response is too large", {
    cause: new Error(`headers or trailers of more than ${maxBytes} bytes`),
  });
}

/**
 * What the end of a connection before the end of a reply means for the call.
 *
 * @param failure - error of the stream, if it had one
 */
export function lostConnection(
  { http2, lastProcessedId = Number.POSITIVE_INFINITY, endsInPeace = false }: OpenConnection,
  stream: Http2Stream,
  failure: unknown,
): UpstreamFailedError {
  const { id, resetCode } = stream;
  const cannotHaveLeft = id === undefined || http2.isConnecting;
  // RFC 9113, section 8.7: these two say that nothing was done.
  const wasRefused = resetCode === http2Code.REFUSED_STREAM;
  const wasLeftBehind = (id ?? Number.POSITIVE_INFINITY) > lastProcessedId;
  return new UpstreamFailedError("the connection to the replica was lost", {
    // A connection that the replica closed without an error is no failure of it: the next call reconnects.
    wasLost: !(wasLeftBehind && endsInPeace),
    isUnprocessed: cannotHaveLeft || wasRefused || wasLeftBehind,
    cause: failure ?? new Error(`stream closed with code ${resetCode} and no status`),
  });
}
