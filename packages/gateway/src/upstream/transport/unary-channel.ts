import {
  type CallContext,
  type Clock,
  type ScoringError,
  UpstreamFailedError,
} from "@tensorgate/core";
import {
  formatTimeout,
  framedPieces,
  grpcCode,
  type HeaderBlock,
  type ReceivedStatus,
  readStatus,
  UnaryReader,
} from "@tensorgate/grpc";
import type { TensorBudgetOptions } from "@tensorgate/tf-serving";
import {
  type ConnectionDeps,
  createConnection,
  type OpenConnection,
  type UpstreamConnection,
} from "./connection.ts";
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
  type Http2Stream,
  http2Code,
  maxHeaderBytes,
} from "./http2/contract.ts";

/** Unary gRPC calls to one address, over one HTTP/2 connection that is opened when needed, and again when it was lost. */
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
  const channel: ExchangeDeps = { connection, clock };
  let isClosed = false;

  function unary(
    path: string,
    segments: readonly Uint8Array[],
    call: UnaryCall,
  ): Promise<UnaryReply> {
    if (isClosed) return Promise.reject(unreachable("the replica was removed"));
    if (call.signal.aborted) return Promise.reject(call.signal.reason);
    const sentMs = clock.nowMs();
    let open: OpenConnection;
    try {
      open = connection.open(sentMs);
    } catch (cause) {
      // A file that has become unreadable is as good as a replica that is out of reach.
      return Promise.reject(unreachable("cannot connect to the replica", cause));
    }
    const maxReplyBytes = Math.min(maxMessageBytes, call.maxReplyBytes ?? maxMessageBytes);
    const exchange = new UnaryExchange({ channel, open, path, call, sentMs, maxReplyBytes });
    return exchange.run(segments);
  }

  return {
    unary,
    replyLimits: { maxElements: maxReplyElements, maxValueBytes: maxMessageBytes },
    roundTripMs: () => connection.roundTrip.ms,
    close: () => {
      isClosed = true;
      return connection.close();
    },
  };
}

/** What the calls of a channel share. */
interface ExchangeDeps {
  readonly connection: UpstreamConnection;
  readonly clock: Clock;
}

interface ExchangeOptions {
  readonly channel: ExchangeDeps;
  readonly open: OpenConnection;
  readonly path: string;
  readonly call: UnaryCall;
  /** When the call was made. */
  readonly sentMs: number;
  /** Longest message that is accepted, in bytes. */
  readonly maxReplyBytes: number;
}

/** Interim responses (1xx) that a reply may begin with. */
const maxInterimResponses = 16;

const noBlock: HeaderBlock = {};

/** One request on its own stream, and its reply. */
class UnaryExchange implements Http2Receiver {
  readonly #options: ExchangeOptions;
  readonly #reader: UnaryReader;
  readonly #result: PromiseWithResolvers<UnaryReply>;
  readonly #onAbort: () => void;
  readonly #receivedBytesThen: number;
  /** Whether the time of its reply is a round trip: the connection was open when it was sent. */
  readonly #isMeasured: boolean;
  #stream: Http2Stream | undefined;
  #headers: HeaderBlock;
  #trailers: HeaderBlock;
  /** Whether the last block of the reply was received. */
  #isWhole: boolean;
  #interimCount: number;

  constructor(options: ExchangeOptions) {
    const { http2 } = options.open;
    const { isMeasured, signal } = options.call;
    this.#options = options;
    this.#reader = new UnaryReader(options.maxReplyBytes);
    this.#result = Promise.withResolvers();
    // V8 allocates a literal that is given to a property in the old generation, where it keeps all that it refers to.
    const onAbort = () => this.#fail(signal.reason);
    this.#onAbort = onAbort;
    this.#receivedBytesThen = http2.receivedBytes;
    this.#isMeasured = isMeasured === true && !http2.isConnecting;
    this.#stream = undefined;
    this.#headers = noBlock;
    this.#trailers = noBlock;
    this.#isWhole = false;
    this.#interimCount = 0;
  }

  /**
   * Sends the request, and resolves as soon as the reply is complete: a server may answer, and close its side, before the
   * request has ended, and then reads no more of it.
   *
   * Rejects with a TypeError if a header cannot be sent, and else as `unary` does.
   *
   * @see RFC 9113, section 8.1
   */
  run(segments: readonly Uint8Array[]): Promise<UnaryReply> {
    const { open, path, call, sentMs } = this.#options;
    const { signal, traceparent } = call;
    const headers: Record<string, string> = {
      "grpc-timeout": formatTimeout(call.deadline.atMs - sentMs),
      "x-request-id": call.requestId,
    };
    if (traceparent !== undefined) headers["traceparent"] = traceparent;
    if (call.headers) Object.assign(headers, call.headers);
    try {
      this.#stream = open.http2.send({ path, headers, body: framedPieces(segments) }, this);
      signal.addEventListener("abort", this.#onAbort, { once: true });
    } catch (thrown) {
      this.#fail(thrown);
    }
    return this.#result.promise;
  }

  onInterim(): void {
    this.#interimCount += 1;
    if (this.#interimCount <= maxInterimResponses) return;
    this.#fail(new UpstreamFailedError("the replica sends too many interim responses"));
  }

  onHeaders(headers: HeaderBlock, byteCount: number, isEnd: boolean): void {
    if (byteCount > maxHeaderBytes) return void this.#fail(headersTooLong(maxHeaderBytes));
    this.#headers = headers;
    this.#isWhole = isEnd;
    if (this.#isMeasured) {
      const { connection, clock } = this.#options.channel;
      connection.roundTrip.answered(clock.nowMs() - this.#options.sentMs);
    }
    const status = readStatus(headers, noBlock);
    // Nothing that follows, such as a proxy's page, says more.
    if (status && status.code !== 0) this.#end(status);
  }

  onData(piece: Buffer): void {
    try {
      this.#reader.push(piece);
    } catch (thrown) {
      this.#fail(unreadableReply(thrown));
    }
  }

  onTrailers(trailers: HeaderBlock, byteCount: number): void {
    if (byteCount > maxHeaderBytes) return void this.#fail(headersTooLong(maxHeaderBytes));
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
    if (status && (this.#isWhole || error === undefined)) this.#end(status);
    else this.#fail(lostConnection(open, stream, error));
  }

  #end(status: ReceivedStatus): void {
    if (status.code !== 0) {
      this.#fail(this.#failureFrom(status));
      return;
    }
    try {
      this.#result.resolve({ message: this.#reader.message(), headers: this.#headers });
      this.#release();
    } catch (thrown) {
      this.#fail(unreadableReply(thrown));
    }
  }

  /** A server that keeps to the deadline says so a moment before it has passed here, which is no fault of its. */
  #failureFrom(status: ReceivedStatus): ScoringError {
    const { path, call, channel } = this.#options;
    const isDeadlineOfCall =
      status.code === grpcCode.DEADLINE_EXCEEDED &&
      call.deadline.atMs - channel.clock.nowMs() <= deadlineSlackMs;
    return isDeadlineOfCall ? deadlinePassed(status) : errorFromGrpcStatus(status, path);
  }

  #fail(thrown: unknown): void {
    this.#result.reject(thrown);
    this.#release();
  }

  #release(): void {
    const { open, call, channel } = this.#options;
    const { signal, requestBytes } = call;
    const { connection } = channel;
    const stream = this.#stream;
    signal.removeEventListener("abort", this.#onAbort);
    stream?.cancel();
    if (requestBytes && stream?.mayReadBody) requestBytes.mayBeRead = true;
    connection.released(open.http2);
    // Once all that the same moment ends has ended: the answer to the ping takes longer than that.
    if (signal.aborted) {
      queueMicrotask(() => connection.suspect(open.http2, this.#receivedBytesThen));
    }
  }
}
