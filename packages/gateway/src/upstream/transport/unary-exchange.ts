import http2 from "node:http2";
import { UpstreamFailedError } from "@tensorgate/core";
import {
  createUnaryReader,
  FramingError,
  type HeaderBlock,
  messageBytes,
  messagePrefix,
  type ReceivedStatus,
  readStatus,
} from "@tensorgate/grpc";
import { maxHeaderBytes, type OpenConnection } from "./connection.ts";

export interface ExchangeOptions {
  readonly open: OpenConnection;
  readonly headers: http2.OutgoingHttpHeaders;
  /** The request message in pieces. */
  readonly segments: readonly Uint8Array[];
  /** Longest message that is accepted, in bytes. */
  readonly maxReplyBytes: number;
  /** Cancels the call. */
  readonly signal: AbortSignal;
  /** Called when the first of the reply has come. */
  readonly onReply?: (() => void) | undefined;
}

/** What a replica, or a proxy in its place, answered. */
export interface ExchangeResult {
  readonly status: ReceivedStatus;
  readonly headers: HeaderBlock;
  /** Empty unless the status is OK. */
  readonly message: Uint8Array;
}

/** Interim responses (1xx) that a reply may begin with. */
const maxInterimResponses = 16;

/**
 * Sends one request on a stream of its own, and resolves as soon as the reply is complete: a server may answer, and
 * close its side, before the request has ended, and then reads no more of it.
 *
 * @throws the reason of `signal` as soon as that aborts
 * @throws UpstreamFailedError if the connection was lost, or the reply is over a limit or not one whole message
 * @see RFC 9113, section 8.1
 */
export function unaryExchange(options: ExchangeOptions): Promise<ExchangeResult> {
  const { open, signal, onReply } = options;
  const { promise, resolve, reject } = Promise.withResolvers<ExchangeResult>();
  const stream = open.session.request(options.headers);
  const reader = createUnaryReader(options.maxReplyBytes);
  let headers: HeaderBlock = {};
  let trailers: HeaderBlock = {};
  let isWhole = false;
  let isOver = false;
  let interimCount = 0;
  let failure: unknown;

  function release(): void {
    signal.removeEventListener("abort", onAbort);
    if (stream.destroyed) return;
    stream.close(http2.constants.NGHTTP2_CANCEL);
    // A stream is closed only when that was sent, which a server that reads nothing puts off without end: the picture
    // would be held until then.
    stream.destroy();
  }
  function fail(thrown: unknown): void {
    isOver = true;
    reject(thrown);
    release();
  }
  function onAbort(): void {
    fail(signal.reason);
  }
  function succeed(status: ReceivedStatus): void {
    try {
      resolve({ status, headers, message: status.code === 0 ? reader.message() : noBytes });
      isOver = true;
      release();
    } catch (thrown) {
      fail(unreadable(thrown));
    }
  }

  signal.addEventListener("abort", onAbort, { once: true });
  stream.on("headers", () => {
    interimCount += 1;
    if (interimCount <= maxInterimResponses) return;
    fail(new UpstreamFailedError("the replica sends too many interim responses"));
  });
  stream.once("response", (received, flags, raw = []) => {
    if (headerBytes(raw) > maxHeaderBytes) return fail(tooLongHeaders());
    headers = received;
    isWhole = (flags & http2.constants.NGHTTP2_FLAG_END_STREAM) !== 0;
    onReply?.();
    const status = readStatus(headers, {});
    // Nothing that follows, such as a proxy's page, says more.
    if (status && status.code !== 0) succeed(status);
  });
  stream.once("trailers", (received, _flags, raw = []) => {
    if (headerBytes(raw) > maxHeaderBytes) return fail(tooLongHeaders());
    trailers = received;
    isWhole = true;
  });
  stream.on("data", (piece: Buffer) => {
    try {
      reader.push(piece);
    } catch (thrown) {
      fail(unreadable(thrown));
    }
  });
  stream.once("end", () => {
    if (isOver) return;
    const status = readStatus(headers, trailers);
    if (status) succeed(status);
    else release();
  });
  stream.on("error", (error) => {
    failure ??= error;
  });
  stream.once("close", () => {
    if (isOver) return;
    const status = readStatus(headers, trailers);
    // What comes after a whole reply, such as RST_STREAM, takes nothing away from it.
    if (status && (isWhole || failure === undefined)) succeed(status);
    else fail(lost(open, stream, failure));
  });

  stream.cork();
  stream.write(messagePrefix(messageBytes(options.segments)));
  for (const segment of options.segments) stream.write(segment);
  stream.end();
  stream.uncork();
  return promise;
}

/** Node holds a server to the limit only once it has acknowledged our settings. @see RFC 9113, section 6.5.2 */
function headerBytes(raw: readonly string[]): number {
  let byteCount = 0;
  for (const text of raw) byteCount += text.length + 16;
  return byteCount;
}

const noBytes = new Uint8Array();

/** What a reply that is not one message means for the call. */
function unreadable(cause: unknown): unknown {
  if (!(cause instanceof FramingError)) return cause;
  const what = cause.isTooLong ? "is too large" : "cannot be decoded";
  return new UpstreamFailedError(`the replica's response ${what}`, { cause });
}

function tooLongHeaders(): UpstreamFailedError {
  return new UpstreamFailedError("the replica's response is too large", {
    cause: new Error(`headers or trailers of more than ${maxHeaderBytes} bytes`),
  });
}

function lost(
  { session, lastProcessedId = Number.POSITIVE_INFINITY, endsInPeace = false }: OpenConnection,
  stream: http2.ClientHttp2Stream,
  failure: unknown,
): UpstreamFailedError {
  const { id, rstCode } = stream;
  const cannotHaveLeft = id === undefined || session.connecting;
  // RFC 9113, section 8.7: these two say that nothing was done.
  const wasRefused = rstCode === http2.constants.NGHTTP2_REFUSED_STREAM;
  const wasLeftBehind = id !== undefined && id > lastProcessedId;
  return new UpstreamFailedError("the connection to the replica was lost", {
    // A connection that was closed in good order says nothing against the replica: the next one is made anew.
    wasLost: !(wasLeftBehind && endsInPeace),
    isUnprocessed: cannotHaveLeft || wasRefused || wasLeftBehind,
    cause: failure ?? new Error(`stream closed with code ${rstCode} and no status`),
  });
}
