import {
  type CallContext,
  type Clock,
  DeadlineExceededError,
  type ScoringError,
  UpstreamFailedError,
} from "@tensorgate/core";
import {
  formatTimeout,
  grpcCode,
  type HeaderBlock,
  messageBytes,
  type ReceivedStatus,
} from "@tensorgate/grpc";
import type { TensorBudgetOptions } from "@tensorgate/tf-serving";
import {
  type ConnectionDeps,
  createConnection,
  type OpenConnection,
  receivedBytesOf,
} from "./connection.ts";
import { errorFromGrpcStatus, GrpcStatusError } from "./status-error.ts";
import { unaryExchange } from "./unary-exchange.ts";

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
  readonly replyLimits: Required<TensorBudgetOptions>;
  /** How long small calls take there and back, in milliseconds; undefined before anything was measured. */
  roundTripMs(): number | undefined;
  /** Takes no more calls. Resolves when those in flight have ended. */
  close(): Promise<void>;
}

export interface UnaryCall extends CallContext {
  /** Sent beside those that every call of the channel carries. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Longest reply that is accepted, in bytes, where that is less than `maxMessageBytes`. */
  readonly maxReplyBytes?: number;
}

export interface UnaryReply {
  readonly message: Uint8Array;
  readonly headers: HeaderBlock;
}

export type ChannelDeps = Omit<ConnectionDeps, "onPing">;

/** Longest message, in bytes, that surely goes out in one packet, so that its call tells of the way and not of its size. */
const smallMessageBytes = 1_024;

/** What clocks, and the whole milliseconds in which a deadline is sent, may differ by, in milliseconds. */
const deadlineSlackMs = 20;

/**
 * Built on `node:http2` rather than a gRPC library: a picture is handed to the socket in the buffer it was
 * received in, and a call that never left is told apart from one that was lost on the way.
 * Measured at a quarter of grpc-js's CPU per 100 KB call.
 */
export function createUnaryChannel(deps: ChannelDeps): UnaryChannel {
  const { maxMessageBytes, maxReplyElements } = deps.settings;
  const { clock } = deps;
  const roundTrip = createRoundTrip(clock);
  const connection = createConnection({ ...deps, onPing: roundTrip.pinged });
  const ended = Promise.withResolvers<void>();
  let inFlight = 0;
  let isClosed = false;

  /** A server that keeps to the deadline says so a moment before it has passed here, which is no fault of its. */
  function failureFrom(status: ReceivedStatus, { deadline }: UnaryCall): ScoringError {
    const isDeadlineOfCall =
      status.code === grpcCode.DEADLINE_EXCEEDED &&
      deadline.atMs - clock.nowMs() <= deadlineSlackMs;
    return isDeadlineOfCall ? deadlinePassed(status) : errorFromGrpcStatus(status);
  }

  async function unary(
    path: string,
    segments: readonly Uint8Array[],
    call: UnaryCall,
  ): Promise<UnaryReply> {
    if (isClosed) throw unreachable("the replica was removed");
    call.signal.throwIfAborted();
    let open: OpenConnection;
    try {
      open = connection.open();
    } catch (cause) {
      // A file that has become unreadable is as good as a replica that is out of reach.
      throw unreachable("cannot connect to the replica", cause);
    }
    const { session } = open;
    const receivedBytesThen = receivedBytesOf(session);
    const sentMs = clock.nowMs();
    const isMeasured = !session.connecting && messageBytes(segments) <= smallMessageBytes;
    const onReply = isMeasured ? () => roundTrip.answered(clock.nowMs() - sentMs) : undefined;
    inFlight += 1;
    try {
      const { status, headers, message } = await unaryExchange({
        open,
        headers: {
          ":method": "POST",
          ":path": path,
          "content-type": "application/grpc",
          te: "trailers",
          "grpc-timeout": formatTimeout(call.deadline.atMs - sentMs),
          "x-request-id": call.requestId,
          ...(call.traceparent !== undefined && { traceparent: call.traceparent }),
          ...call.headers,
          ...open.headers,
        },
        segments,
        maxReplyBytes: Math.min(maxMessageBytes, call.maxReplyBytes ?? maxMessageBytes),
        signal: call.signal,
        onReply,
      });
      if (status.code !== 0) throw failureFrom(status, call);
      return { message, headers };
    } finally {
      connection.released(session);
      if (call.signal.aborted) connection.suspect(session, receivedBytesThen);
      inFlight -= 1;
      if (isClosed && inFlight === 0) ended.resolve();
    }
  }

  return {
    unary,
    replyLimits: { maxElements: maxReplyElements, maxValueBytes: maxMessageBytes },
    roundTripMs: roundTrip.ms,
    close: async () => {
      isClosed = true;
      connection.close();
      if (inFlight > 0) await ended.promise;
    },
  };
}

/** What the server cannot have seen: the call may go elsewhere, whatever it is. */
function unreachable(message: string, cause?: unknown): UpstreamFailedError {
  return new UpstreamFailedError(message, { wasLost: true, isUnprocessed: true, cause });
}

function deadlinePassed(status: ReceivedStatus): DeadlineExceededError {
  return new DeadlineExceededError("deadline exceeded at the replica", {
    cause: new GrpcStatusError(status),
  });
}

/** How far away a server is, by how long small things take there and back. */
interface RoundTrip {
  /** In milliseconds; undefined until something was measured. */
  ms(): number | undefined;
  /** @param durationMs - of an HTTP/2 ping, in milliseconds */
  pinged(durationMs: number): void;
  /** @param durationMs - from a small call to the first of its answer, in milliseconds */
  answered(durationMs: number): void;
}

/** How long a measurement counts, in milliseconds: at least this, at most twice as long. */
const windowMs = 30_000;

/**
 * The shortest of late: whatever else a call waits for only makes it longer.
 *
 * Calls count rather than pings where there are any. A proxy answers pings in the place of a server that is far behind
 * it; and servers count pings, and close on whom they find too keen, so there is one for each connection, which serves
 * until the first small call (a probe is one) has been answered.
 */
export function createRoundTrip(clock: Clock): RoundTrip {
  let pingMs: number | undefined;
  let beforeMs: number | undefined;
  let windowStartedMs = 0;
  let nowMs: number | undefined;

  return {
    ms: () => least(beforeMs, nowMs) ?? pingMs,
    pinged: (durationMs) => {
      pingMs = durationMs;
    },
    answered: (durationMs) => {
      const atMs = clock.nowMs();
      if (atMs - windowStartedMs >= windowMs) {
        beforeMs = atMs - windowStartedMs >= 2 * windowMs ? undefined : nowMs;
        nowMs = undefined;
        windowStartedMs = atMs;
      }
      nowMs = least(nowMs, durationMs);
    },
  };
}

function least(one: number | undefined, other: number | undefined): number | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return Math.min(one, other);
}
