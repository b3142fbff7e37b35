import {
  type CallContext,
  type RequestBytes,
  type ScoringError,
  UpstreamFailedError,
} from "@tensorgate/core";
import {
  createUnaryReader,
  formatTimeout,
  framedPieces,
  grpcCode,
  type HeaderBlock,
  type ReceivedStatus,
  readStatus,
  type UnaryReader,
} from "@tensorgate/grpc";
import type { TensorBudgetOptions } from "@tensorgate/tf-serving";
import { type ConnectionDeps, createConnection, type OpenConnection } from "./connection.ts";
import {
  deadlinePassed,
  errorFromGrpcStatus,
  headersTooLong,
  lostConnection,
  unreachable,
  unreadableReply,
} from "./failures.ts";
import {
  type Http2Receiver,
  type Http2Request,
  type Http2Stream,
  http2Code,
  maxHeaderBytes,
} from "./http2/contract.ts";

/** Unary gRPC calls to one address, over one HTTP/2 connection that is made when needed and made anew when lost. */
export interface UnaryChannel {
  /**
   * Sends one message and resolves to the message that comes back.
   *
   * @param path - full method path, such as `/tensorflow.serving.PredictionService/Predict`
   * @param segments - the request message in pieces, which are sent as they are, never joined
   * @throws the reason of `call.signal` as soon as that aborts; the upstream call is cancelled then
   * @throws UpstreamAnsweredError if the server blames the request
   * @throws TooLargeError if a proxy or the server says that the request is too large
   * @throws UpstreamFailedError if the server or the connection failed, or the reply is over a limit. `wasLost` tells a connection from a status;
   *   `isUnprocessed` is set where the server cannot have seen the call, or says itself that it has not looked at it
   *   (GOAWAY, REFUSED_STREAM); `isFull` where its status is RESOURCE_EXHAUSTED
   */
  unary(path: string, segments: readonly Uint8Array[], call: UnaryCall): Promise<UnaryReply>;
  /** What replies may cost to read. */
  readonly replyLimits: Required<Pick<TensorBudgetOptions, "maxElements" | "maxValueBytes">>;
  /** Round trip to the server, in milliseconds; undefined before anything was measured. */
  roundTripMs(): number | undefined;
  /** Takes no more calls. Resolves when those in flight have ended. */
  close(): Promise<void>;
}

export interface UnaryCall extends CallContext {
  /** Sent beside those that every call of the channel carries. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Longest reply that is accepted, in bytes, where that is less than `maxMessageBytes`. */
  readonly maxReplyBytes?: number;
  /** Whether the server has next to nothing to do for it, so that it measures the round trip. */
  readonly isMeasured?: boolean;
}

export interface UnaryReply {
  readonly message: Uint8Array;
  readonly headers: HeaderBlock;
}

/** What clocks, and the whole milliseconds in which a deadline is sent, may differ by, in milliseconds. */
const deadlineSlackMs = 20;

/**
 * Built on HTTP/2 rather than a gRPC library: a picture is handed to the socket in the buffer it was received in, and a
 * call that never left is distinguished from one that was lost on the way.
 */
export function createUnaryChannel(deps: ConnectionDeps): UnaryChannel {
  const { maxMessageBytes, maxReplyElements } = deps.settings;
  const { clock } = deps;
  const connection = createConnection(deps);
  const { roundTrip } = connection;
  const ended = Promise.withResolvers<void>();
  let inFlight = 0;
  let isClosed = false;

  /** A server that keeps to the deadline says so a moment before it has passed here, which is no fault of its. */
  function failureFrom(
    status: ReceivedStatus,
    { deadline }: UnaryCall,
    path: string,
  ): ScoringError {
    const isDeadlineOfCall =
      status.code === grpcCode.DEADLINE_EXCEEDED &&
      deadline.atMs - clock.nowMs() <= deadlineSlackMs;
    return isDeadlineOfCall ? deadlinePassed(status) : errorFromGrpcStatus(status, path);
  }

  async function unary(
    path: string,
    segments: readonly Uint8Array[],
    call: UnaryCall,
  ): Promise<UnaryReply> {
    if (isClosed) throw unreachable("the replica was removed");
    call.signal.throwIfAborted();
    const sentMs = clock.nowMs();
    let open: OpenConnection;
    try {
      open = connection.open(sentMs);
    } catch (cause) {
      // A file that has become unreadable is as good as a replica that is out of reach.
      throw unreachable("cannot connect to the replica", cause);
    }
    const { http2 } = open;
    const receivedBytesThen = http2.receivedBytes;
    const onReply =
      call.isMeasured && !http2.isConnecting
        ? () => roundTrip.answered(clock.nowMs() - sentMs)
        : undefined;
    inFlight += 1;
    try {
      const exchange = new UnaryExchange({
        open,
        request: {
          path,
          headers: {
            "grpc-timeout": formatTimeout(call.deadline.atMs - sentMs),
            "x-request-id": call.requestId,
            ...(call.traceparent !== undefined && { traceparent: call.traceparent }),
            ...call.headers,
          },
          body: framedPieces(segments),
        },
        maxReplyBytes: Math.min(maxMessageBytes, call.maxReplyBytes ?? maxMessageBytes),
        signal: call.signal,
        requestBytes: call.requestBytes,
        onReply,
      });
      const { status, headers, message } = await exchange.run();
      if (status.code !== 0) throw failureFrom(status, call, path);
      return { message, headers };
    } finally {
      connection.released(http2);
      if (call.signal.aborted) connection.suspect(http2, receivedBytesThen);
      inFlight -= 1;
      if (isClosed && inFlight === 0) ended.resolve();
    }
  }

  return {
    unary,
    replyLimits: { maxElements: maxReplyElements, maxValueBytes: maxMessageBytes },
    roundTripMs: () => roundTrip.ms,
    close: async () => {
      isClosed = true;
      connection.close();
      if (inFlight > 0) await ended.promise;
    },
  };
}

interface ExchangeOptions {
  readonly open: OpenConnection;
  /** Its body is one framed message. */
  readonly request: Http2Request;
  /** Longest message that is accepted, in bytes. */
  readonly maxReplyBytes: number;
  /** Cancels the call. */
  readonly signal: AbortSignal;
  /** Learns if the end of the call leaves some of the message unsent. */
  readonly requestBytes?: RequestBytes | undefined;
  /** Called when the first of the reply has come. */
  readonly onReply?: (() => void) | undefined;
}

/** What a replica, or a proxy in its place, answered: without a message unless the status is OK. */
interface ExchangeResult extends UnaryReply {
  readonly status: ReceivedStatus;
}

/** Interim responses (1xx) that a reply may begin with. */
const maxInterimResponses = 16;

const noBlock: HeaderBlock = {};
const noBytes = new Uint8Array();

/** One request on a stream of its own, and its reply. */
class UnaryExchange implements Http2Receiver {
  readonly #options: ExchangeOptions;
  readonly #result = Promise.withResolvers<ExchangeResult>();
  readonly #reader: UnaryReader;
  readonly #onAbort = (): void => this.#fail(this.#options.signal.reason);
  #stream: Http2Stream | undefined;
  #headers = noBlock;
  #trailers = noBlock;
  /** Whether the last block of the reply was received. */
  #isWhole = false;
  #interimCount = 0;

  constructor(options: ExchangeOptions) {
    this.#options = options;
    this.#reader = createUnaryReader(options.maxReplyBytes);
  }

  /**
   * Sends the request, and resolves as soon as the reply is complete: a server may answer, and close its side, before the
   * request has ended, and then reads no more of it.
   *
   * @throws TypeError if a header cannot be sent
   * @throws the reason of the call's signal as soon as that aborts
   * @throws UpstreamFailedError if the connection was lost, or the reply is over a limit or not one whole message
   * @see RFC 9113, section 8.1
   */
  run(): Promise<ExchangeResult> {
    const { open, request, signal } = this.#options;
    this.#stream = open.http2.send(request, this);
    signal.addEventListener("abort", this.#onAbort, { once: true });
    return this.#result.promise;
  }

  onInterim(): void {
    this.#interimCount += 1;
    if (this.#interimCount <= maxInterimResponses) return;
    this.#fail(new UpstreamFailedError("the replica sends too many interim responses"));
  }

  onHeaders(headers: HeaderBlock, byteCount: number, isEnd: boolean): void {
    if (this.#isTooLong(byteCount)) return;
    this.#headers = headers;
    this.#isWhole = isEnd;
    this.#options.onReply?.();
    const status = readStatus(headers, noBlock);
    // Nothing that follows, such as a proxy's page, says more.
    if (status && status.code !== 0) this.#succeed(status);
  }

  onData(piece: Buffer): void {
    try {
      this.#reader.push(piece);
    } catch (thrown) {
      this.#fail(unreadableReply(thrown));
    }
  }

  onTrailers(trailers: HeaderBlock, byteCount: number): void {
    if (this.#isTooLong(byteCount)) return;
    this.#trailers = trailers;
    this.#isWhole = true;
  }

  onClose(error: Error | undefined): void {
    const stream = this.#stream as Http2Stream;
    const { open } = this.#options;
    // A server on Node refuses every call of a connection on which too many bytes were cancelled, and does not close it.
    if (stream.resetCode === http2Code.ENHANCE_YOUR_CALM) open.retire();
    const status = readStatus(this.#headers, this.#trailers);
    // What comes after a whole reply, such as RST_STREAM, takes nothing away from it.
    if (status && (this.#isWhole || error === undefined)) this.#succeed(status);
    else this.#fail(lostConnection(open, stream, error));
  }

  #isTooLong(byteCount: number): boolean {
    if (byteCount <= maxHeaderBytes) return false;
    this.#fail(headersTooLong(maxHeaderBytes));
    return true;
  }

  #succeed(status: ReceivedStatus): void {
    try {
      const message = status.code === 0 ? this.#reader.message() : noBytes;
      this.#result.resolve({ status, headers: this.#headers, message });
      this.#release();
    } catch (thrown) {
      this.#fail(unreadableReply(thrown));
    }
  }

  #fail(thrown: unknown): void {
    this.#result.reject(thrown);
    this.#release();
  }

  #release(): void {
    const { signal, requestBytes } = this.#options;
    const stream = this.#stream as Http2Stream;
    signal.removeEventListener("abort", this.#onAbort);
    stream.cancel();
    if (requestBytes && stream.mayReadBody) requestBytes.mayBeRead = true;
  }
}
