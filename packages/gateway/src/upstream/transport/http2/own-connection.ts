import type { Socket } from "node:net";
import {
  type Http2Connection,
  type Http2Events,
  type Http2Options,
  type Http2Receiver,
  type Http2Request,
  type Http2Stream,
  http2Code,
  type OpenHttp2,
} from "./contract.ts";
import {
  frame,
  frameFlag,
  frameType,
  goawayFrame,
  greeting,
  Http2Error,
  numberFrame,
} from "./frames.ts";
import { type DecodedBlock, HpackError } from "./hpack.ts";
import { type FrameTarget, IncomingFrames, type ServerSettings } from "./incoming-frames.ts";
import { OutgoingStreams } from "./outgoing-streams.ts";
import { OwnStream, type StreamOwner } from "./own-stream.ts";
import { RequestFields } from "./request-fields.ts";
import { openSocket, speaksHttp2 } from "./socket.ts";
import { UselessFrames } from "./useless-frames.ts";

/** Opens a connection over `node:net` or `node:tls`, which costs a gateway less than `node:http2`. */
export const openOwnHttp2: OpenHttp2 = (options, events) => new OwnConnection(options, events);

class OwnConnection implements Http2Connection, FrameTarget, StreamOwner {
  isConnecting = true;
  isClosed = false;
  isEnded = false;
  receivedBytes = 0;
  readonly #options: Http2Options;
  readonly #events: Http2Events;
  readonly #socket: Socket;
  readonly #streams: OutgoingStreams;
  readonly #incoming = new IncomingFrames(this);
  readonly #useless = new UselessFrames();
  readonly #fields: RequestFields;
  readonly #pings: { readonly sentMs: number; readonly onAnswer: OnAnswer }[] = [];
  /** Bytes that were received, and for which the server got no new window. */
  #unacknowledgedBytes = 0;
  #willFlush = false;

  constructor(options: Http2Options, events: Http2Events) {
    this.#options = options;
    this.#events = events;
    this.#fields = new RequestFields(options);
    const socket = openSocket(options, (bytes) => this.#read(bytes));
    this.#socket = socket;
    this.#streams = new OutgoingStreams(socket);
    socket.once(options.scheme === "https" ? "secureConnect" : "connect", () => this.#connected());
    socket.on("drain", () => this.#flush());
    socket.on("error", (error) => this.destroy(error));
    const onEnd = () => this.destroy(new Error("the server closed the connection"));
    socket.once("end", onEnd);
    socket.once("close", onEnd);
  }

  send({ path, headers, body }: Http2Request, receiver: Http2Receiver): Http2Stream {
    if (this.isClosed) throw new Error("the connection is closed");
    const stream = new OwnStream(this, this.#fields.encode(path, headers), body, receiver);
    if (!this.#streams.add(stream)) this.isClosed = true;
    if (this.#willFlush) return stream;
    this.#willFlush = true;
    // Requests of a connection that come in one turn of the event loop are sent together at its end, those of several one
    // after the other: written between other work, each would wake its replica up for itself.
    setImmediate(() => {
      this.#willFlush = false;
      this.#flush();
    });
    return stream;
  }

  ping(onAnswer: OnAnswer): boolean {
    if (this.isEnded || this.isConnecting) return false;
    this.#pings.push({ sentMs: performance.now(), onAnswer });
    this.#streams.write(frame(frameType.PING, Buffer.alloc(8)));
    return true;
  }

  close(): void {
    this.isClosed = true;
    this.#endIfDone();
  }

  destroy(error: Error): void {
    if (this.isEnded) return;
    this.isEnded = true;
    this.isClosed = true;
    this.receivedBytes = 0;
    // The last frames are sent, unless the server reads nothing.
    const isFlushed = !this.isConnecting && this.#socket.writableLength === 0;
    if (isFlushed) this.#socket.destroySoon();
    else this.#socket.destroy();
    for (const stream of this.#streams.after(0)) this.#end(stream, error);
    for (const { onAnswer } of this.#pings.splice(0)) onAnswer(undefined);
    this.#events.onClose();
  }

  cancel(stream: OwnStream): void {
    if (stream.isOver) return;
    if (this.#remove(stream)) stream.resetCode = http2Code.CANCEL;
    this.#flush();
    this.#endIfDone();
  }

  mayRead(position: number): boolean {
    return this.#streams.mayRead(position);
  }

  onData(id: number, data: Buffer, paddedBytes: number, isEnd: boolean): void {
    this.#acknowledge(paddedBytes);
    const stream = this.#streams.at(id);
    if (!stream || (data.length === 0 && !isEnd)) this.#spend();
    if (!stream) return;
    if (!stream.hasHeaders) {
      this.#refuse(stream, "a body without headers");
      return;
    }
    stream.unacknowledgedBytes += paddedBytes;
    stream.isAnswered = isEnd;
    if (data.length > 0) stream.receiver.onData(Buffer.from(data));
    if (isEnd) this.#end(stream, undefined);
    else if (!stream.isOver) this.#widen(stream);
  }

  onHeaders(id: number, block: DecodedBlock, isEnd: boolean): void {
    const stream = this.#streams.at(id);
    if (stream) {
      const fault = stream.receiveBlock(block, isEnd);
      if (fault !== undefined) this.#refuse(stream, fault);
      else if (isEnd) this.#end(stream, undefined);
    } else {
      this.#spend(1 + block.byteCount / 1_024);
    }
  }

  onReset(id: number, code: number): void {
    const stream = this.#streams.at(id);
    this.#spend();
    if (!stream) return;
    stream.resetCode = code;
    stream.isReset = true;
    const error = code === 0 ? undefined : new Error(`the server reset the stream (code ${code})`);
    this.#end(stream, error);
  }

  onSettings(settings: ServerSettings): void {
    this.#spend(1 + this.#streams.count / 16);
    this.#streams.apply(settings);
    this.#answer(frame(frameType.SETTINGS, Buffer.alloc(0), 0, frameFlag.ACK));
    this.#flush();
  }

  onPing(payload: Buffer, isAnswer: boolean): void {
    this.#spend();
    if (isAnswer) {
      const ping = this.#pings.shift();
      ping?.onAnswer(performance.now() - ping.sentMs);
    } else {
      this.#answer(frame(frameType.PING, payload, 0, frameFlag.ACK));
    }
  }

  onGoaway(lastStreamId: number, code: number): void {
    this.#spend();
    this.isClosed = true;
    this.#events.onGoaway(code, lastStreamId);
    const error = new Error(`the server goes away (code ${code})`);
    for (const stream of this.#streams.after(lastStreamId)) this.#end(stream, error);
    if (code === http2Code.NO_ERROR) this.#endIfDone();
    else this.destroy(error);
  }

  onWindowUpdate(id: number, byteCount: number): void {
    this.#spend();
    this.#streams.addWindow(id, byteCount);
    this.#flush();
  }

  onUseless(): void {
    this.#spend();
  }

  #connected(): void {
    const socket = this.#socket;
    if (this.isEnded) return;
    if (!speaksHttp2(socket)) {
      this.destroy(new Error("the server does not offer HTTP/2 (ALPN)"));
      return;
    }
    this.isConnecting = false;
    // Waiting callers keep the process alive, an idle connection does not.
    socket.unref();
    socket.cork();
    this.#streams.write(greeting(this.#options.windowBytes));
    this.#events.onConnect();
    this.#flush();
    socket.uncork();
    this.#endIfDone();
  }

  #read(bytes: Buffer): void {
    if (this.isEnded) return;
    this.receivedBytes += bytes.length;
    try {
      this.#incoming.read(bytes);
    } catch (thrown) {
      const error = thrown as Error;
      this.#streams.write(goawayFrame(codeOf(error)));
      this.destroy(error);
    }
  }

  #spend(count = 1): void {
    this.#useless.spend(count, this.#streams.sentCredit);
  }

  #flush(): void {
    if (!this.isConnecting && !this.isEnded) this.#streams.flush();
  }

  /** Answers SETTINGS or PING. A server that sends them and reads nothing would fill the memory. */
  #answer(bytes: Buffer): void {
    if (this.#streams.isOverfull) throw new Http2Error("the server does not read answers");
    this.#streams.write(bytes);
  }

  /**
   * Lets the server send more on the connection. It gets half of the window back before it can have used all of it, so
   * that no frame is over a window; what a reply may hold is bounded by its receiver.
   */
  #acknowledge(byteCount: number): void {
    this.#unacknowledgedBytes += byteCount;
    if (this.#unacknowledgedBytes < this.#options.windowBytes / 2) return;
    this.#streams.write(numberFrame(frameType.WINDOW_UPDATE, this.#unacknowledgedBytes, 0));
    this.#unacknowledgedBytes = 0;
  }

  /** Lets the server send more of a long reply. */
  #widen(stream: OwnStream): void {
    const { unacknowledgedBytes, id = 0 } = stream;
    if (unacknowledgedBytes < this.#options.windowBytes / 2) return;
    this.#streams.write(numberFrame(frameType.WINDOW_UPDATE, unacknowledgedBytes, id));
    stream.unacknowledgedBytes = 0;
  }

  /** Ends a stream whose reply is malformed. @see RFC 9113, section 8.1.1 */
  #refuse(stream: OwnStream, fault: string): void {
    this.#streams.reset(stream, http2Code.PROTOCOL_ERROR);
    stream.isReset = true;
    this.#end(stream, new Http2Error(`the reply is malformed: ${fault}`));
  }

  /** Ends a stream, and reports it. A server may answer without reading the whole request. */
  #end(stream: OwnStream, error: Error | undefined): void {
    if (stream.isOver) return;
    this.#remove(stream);
    stream.receiver.onClose(error);
    this.#flush();
    this.#endIfDone();
  }

  /** Takes a stream out. @returns whether the server got a reset, as it does unless both sides know that it is over */
  #remove(stream: OwnStream): boolean {
    stream.isOver = true;
    const isDone = stream.isReset || (stream.isAnswered && stream.unsentBytes === 0);
    if (!isDone) this.#streams.reset(stream, http2Code.CANCEL);
    this.#streams.remove(stream);
    return !isDone && stream.id !== undefined;
  }

  #endIfDone(): void {
    if (!this.isClosed || this.isEnded || this.#streams.count > 0) return;
    if (!this.isConnecting) this.#streams.write(goawayFrame(http2Code.NO_ERROR));
    this.destroy(new Error("the connection was closed"));
  }
}

type OnAnswer = (roundTripMs: number | undefined) => void;

function codeOf(error: Error): number {
  if (error instanceof Http2Error) return error.http2Code;
  return error instanceof HpackError ? http2Code.COMPRESSION_ERROR : http2Code.INTERNAL_ERROR;
}
