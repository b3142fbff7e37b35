import type { Socket } from "node:net";
import { IdMap } from "@tensorgate/core";
import { http2Code } from "./contract.ts";
import {
  frameFlag,
  frameHeadBytes,
  frameType,
  Http2Error,
  initialWindowBytes,
  maxFrameBytes,
  maxWindowBytes,
  numberFrame,
  writeHead,
} from "./frames.ts";
import type { ServerSettings } from "./incoming-frames.ts";
import type { OwnStream } from "./own-stream.ts";

/** Bytes that wait in the memory of a socket before no more are handed to it. */
const maxQueuedBytes = 262_144;

/** Bytes that a stream sends before it is another one's turn. */
const turnBytes = 131_072;

/** Bodies up to this length are copied, and sent in one piece with their headers, in bytes. */
const maxJoinedBytes = 16_384;

/** Bytes of bodies for each of which a server may send a frame. */
const bytesPerCredit = 1_024;

/** Streams that are open at the same time until the server says how many it takes. @see RFC 9113, section 6.5.2 */
const assumedMaxStreams = 100;

/** The streams of a connection, and what is sent of them: as much as the windows and the socket take. */
export class OutgoingStreams {
  readonly #socket: Socket;
  /** Streams that are open, by half of their ids. */
  readonly #open = new IdMap<OwnStream>();
  /** Streams that wait until they may be opened. */
  #waiting: OwnStream[] = [];
  /** Open streams with some of their body to send, and a window for it. */
  #sending: OwnStream[] = [];
  #nextId = 1;
  #maxStreams = assumedMaxStreams;
  #maxFrameBytes = maxFrameBytes;
  #streamWindow = initialWindowBytes;
  #sendWindow = initialWindowBytes;
  /** Bytes that were handed to the socket so far. */
  #position = 0;
  /** Frames that the server may send in answer to what was sent of bodies so far, such as those of new windows. */
  sentCredit = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Streams that are open or wait. */
  get count(): number {
    return this.#open.size + this.#waiting.length;
  }

  /** Whether more waits in the memory of the socket than bodies explain. */
  get isOverfull(): boolean {
    return this.#socket.writableLength > 2 * maxQueuedBytes;
  }

  /** @returns undefined if the stream has ended. @throws Http2Error if it was never opened */
  at(id: number): OwnStream | undefined {
    if (id % 2 === 0 || id >= this.#nextId) throw new Http2Error(`stream ${id} was never opened`);
    return this.#open.get(id >>> 1);
  }

  /** @returns whether there are ids left for further streams */
  add(stream: OwnStream): boolean {
    const waitingCount = this.#waiting.push(stream);
    return this.#nextId + 2 * waitingCount <= maxWindowBytes;
  }

  /** Takes a stream out, which is over: nothing more of it is sent. */
  remove(stream: OwnStream): void {
    if (stream.id === undefined) this.#waiting = this.#waiting.filter((each) => each !== stream);
    else this.#open.delete(stream.id >>> 1);
    if (stream.isQueued) this.#sending = this.#sending.filter((each) => each !== stream);
    stream.dropBody();
  }

  /** Streams that were not processed, if `lastId` is the last one that was: first those that wait. */
  after(lastId: number): readonly OwnStream[] {
    const open = [...this.#open.values()].filter(({ id = 0 }) => id > lastId);
    return [...this.#waiting, ...open];
  }

  /** @throws Http2Error if a window becomes too large */
  apply({ maxStreams, maxFrameBytes: frameBytes, streamWindowBytes }: ServerSettings): void {
    this.#maxStreams = maxStreams ?? this.#maxStreams;
    this.#maxFrameBytes = frameBytes ?? this.#maxFrameBytes;
    if (streamWindowBytes === undefined) return;
    const moreBytes = streamWindowBytes - this.#streamWindow;
    this.#streamWindow = streamWindowBytes;
    for (const stream of this.#open.values()) this.#widen(stream, moreBytes);
  }

  /** @throws Http2Error if a window becomes too large, or nothing is added */
  addWindow(id: number, byteCount: number): void {
    if (byteCount === 0) throw new Http2Error("a window update of nothing");
    if (id === 0) {
      this.#sendWindow = checkedWindow(this.#sendWindow + byteCount);
      return;
    }
    const stream = this.at(id);
    if (stream) this.#widen(stream, byteCount);
  }

  /** Sends RST_STREAM for a stream that was opened. */
  reset({ id }: OwnStream, code: number): void {
    if (id !== undefined) this.write(numberFrame(frameType.RST_STREAM, code, id));
  }

  write(bytes: Uint8Array): void {
    if (this.#socket.destroyed) return;
    this.#position += bytes.byteLength;
    this.#socket.write(bytes);
  }

  /** Whether the socket may still read memory that was handed to it up to this position. */
  mayRead(position: number): boolean {
    return position > this.#position - this.#socket.writableLength;
  }

  /** Opens streams that wait, and sends of bodies what the windows and the socket take. */
  flush(): void {
    if (this.#waiting.length + this.#sending.length === 0) return;
    const socket = this.#socket;
    socket.cork();
    while (this.#sending.length > 0 && this.#sendWindow > 0 && !this.#isFull()) {
      this.#sendBody(this.#sending.shift() as OwnStream);
    }
    while (this.#waiting.length > 0 && this.#open.size < this.#maxStreams && !this.#isFull()) {
      this.#start(this.#waiting.shift() as OwnStream);
    }
    socket.uncork();
  }

  #isFull(): boolean {
    return this.#socket.writableLength >= maxQueuedBytes;
  }

  #widen(stream: OwnStream, byteCount: number): void {
    stream.sendWindow = checkedWindow(stream.sendWindow + byteCount);
    this.#queue(stream);
  }

  #queue(stream: OwnStream): void {
    if (stream.isQueued || stream.unsentBytes === 0 || stream.sendWindow <= 0) return;
    stream.isQueued = true;
    this.#sending.push(stream);
  }

  /** Sends the headers, and a short body with them. */
  #start(stream: OwnStream): void {
    const id = this.#nextId;
    this.#nextId += 2;
    stream.id = id;
    stream.sendWindow = this.#streamWindow;
    this.#open.set(id >>> 1, stream);
    this.sentCredit += 1;
    const { block, unsentBytes } = stream;
    const window = Math.min(stream.sendWindow, this.#sendWindow);
    const isJoined = unsentBytes > 0 && unsentBytes <= Math.min(maxJoinedBytes, window);
    const headersBytes = frameHeadBytes + block.length;
    const bodyBytes = isJoined ? frameHeadBytes + unsentBytes : 0;
    const bytes = Buffer.allocUnsafe(headersBytes + bodyBytes);
    const flags = frameFlag.END_HEADERS | (unsentBytes === 0 ? frameFlag.END_STREAM : 0);
    writeHead(bytes, { byteCount: block.length, type: frameType.HEADERS, flags, id });
    bytes.write(block, frameHeadBytes, "latin1");
    if (isJoined) this.#join(stream, bytes, headersBytes);
    this.write(bytes);
    if (stream.unsentBytes > 0) this.#sendBody(stream);
  }

  #join(stream: OwnStream, target: Buffer, from: number): void {
    this.#writeDataHead(stream, stream.unsentBytes, target, from);
    for (let at = from + frameHeadBytes; stream.unsentBytes > 0; ) {
      const bytes = stream.next(stream.unsentBytes);
      target.set(bytes, at);
      at += bytes.byteLength;
    }
  }

  /** Sends of a body what is its turn. What stays waits for the next turn, or for a window. */
  #sendBody(stream: OwnStream): void {
    stream.isQueued = false;
    for (let leftBytes = turnBytes; leftBytes > 0 && stream.unsentBytes > 0; ) {
      const window = Math.min(stream.sendWindow, this.#sendWindow);
      const byteCount = Math.min(this.#maxFrameBytes, stream.unsentBytes, window, leftBytes);
      if (byteCount <= 0 || this.#isFull()) break;
      this.#sendFrame(stream, byteCount);
      leftBytes -= byteCount;
    }
    this.#queue(stream);
  }

  #sendFrame(stream: OwnStream, byteCount: number): void {
    const head = Buffer.allocUnsafe(frameHeadBytes);
    this.#writeDataHead(stream, byteCount, head, 0);
    this.write(head);
    for (let leftBytes = byteCount; leftBytes > 0; ) {
      const bytes = stream.next(leftBytes);
      leftBytes -= bytes.byteLength;
      this.write(bytes);
    }
    stream.sentPosition = this.#position;
  }

  #writeDataHead(stream: OwnStream, byteCount: number, target: Buffer, at: number): void {
    const flags = byteCount === stream.unsentBytes ? frameFlag.END_STREAM : 0;
    writeHead(target, { byteCount, type: frameType.DATA, flags, id: stream.id as number }, at);
    this.sentCredit += 1 + byteCount / bytesPerCredit;
    this.#sendWindow -= byteCount;
    stream.sendWindow -= byteCount;
  }
}

/** @see RFC 9113, section 6.9.1 */
function checkedWindow(byteCount: number): number {
  if (byteCount <= maxWindowBytes) return byteCount;
  throw new Http2Error("a window that is too large", http2Code.FLOW_CONTROL_ERROR);
}
