import { http2Code } from "./contract.ts";
import {
  FrameReader,
  frameFlag,
  frameType,
  Http2Error,
  maxFrameBytes,
  maxWindowBytes,
  settingId,
} from "./frames.ts";
import { type DecodedBlock, HpackDecoder } from "./hpack.ts";

/** What a server sends, frame by frame, checked as far as that needs no stream. */
export interface FrameTarget {
  /** Whether it takes no further frames. */
  readonly isEnded: boolean;
  /**
   * @param paddedBytes - of the payload with its padding, which the windows count
   * @throws Http2Error for a stream that was never opened, as the connection (id 0) is none
   */
  onData(id: number, data: Buffer, paddedBytes: number, isEnd: boolean): void;
  onHeaders(id: number, block: DecodedBlock, isEnd: boolean): void;
  onReset(id: number, code: number): void;
  onSettings(settings: ServerSettings): void;
  onPing(payload: Buffer, isAnswer: boolean): void;
  onGoaway(lastStreamId: number, code: number): void;
  /** @param id - of a stream, or 0 for the connection */
  onWindowUpdate(id: number, byteCount: number): void;
  /** A frame that is allowed and of no use. */
  onUseless(): void;
}

/** Settings of a server; undefined for what it did not change. */
export interface ServerSettings {
  maxStreams?: number;
  streamWindowBytes?: number;
  maxFrameBytes?: number;
}

/** Longest header block, in bytes as it is sent, and the frames that it may come in. */
const maxBlock = { bytes: 32_768, frames: 16 } as const;

/** A header block that is not complete. */
interface OpenBlock {
  readonly id: number;
  readonly isEnd: boolean;
  readonly parts: Buffer[];
  byteCount: number;
}

/**
 * Reads what a server sends.
 *
 * @see RFC 9113, section 6
 */
export class IncomingFrames extends FrameReader {
  readonly #target: FrameTarget;
  readonly #decoder = new HpackDecoder();
  #openBlock: OpenBlock | undefined;
  #hasSettings = false;

  constructor(target: FrameTarget) {
    super();
    this.#target = target;
  }

  /** @throws Http2Error or HpackError if the connection cannot be used any further */
  protected override onFrame(type: number, flags: number, id: number, payload: Buffer): void {
    // What ended the connection may have come with frames behind it.
    if (this.#target.isEnded) return;
    if (this.#openBlock && type !== frameType.CONTINUATION) {
      throw new Http2Error("a header block is interrupted");
    }
    if (!this.#hasSettings) {
      const isFirst = type === frameType.SETTINGS && (flags & frameFlag.ACK) === 0;
      if (!isFirst) throw new Http2Error("the server does not begin with SETTINGS");
      this.#hasSettings = true;
    }
    switch (type) {
      case frameType.DATA:
        this.#onData(flags, id, payload);
        break;
      case frameType.HEADERS:
        this.#onHeaders(flags, id, payload);
        break;
      case frameType.RST_STREAM:
        this.#target.onReset(id, numberOf(payload));
        break;
      case frameType.SETTINGS:
        ofConnection(id);
        this.#onSettings(flags, payload);
        break;
      case frameType.PUSH_PROMISE:
        throw new Http2Error("a push, which was not allowed");
      case frameType.PING:
        ofConnection(id);
        if (payload.length !== 8) throw wrongSize("PING", payload);
        this.#target.onPing(payload, (flags & frameFlag.ACK) !== 0);
        break;
      case frameType.GOAWAY:
        ofConnection(id);
        this.#onGoaway(payload);
        break;
      case frameType.WINDOW_UPDATE:
        this.#target.onWindowUpdate(id, numberOf(payload) & maxWindowBytes);
        break;
      case frameType.CONTINUATION:
        this.#onContinuation(flags, id, payload);
        break;
      default:
        this.#target.onUseless();
    }
  }

  #onData(flags: number, id: number, payload: Buffer): void {
    const data = flags & frameFlag.PADDED ? withoutPadding(payload) : payload;
    const isEnd = (flags & frameFlag.END_STREAM) !== 0;
    this.#target.onData(id, data, payload.length, isEnd);
  }

  #onHeaders(flags: number, id: number, payload: Buffer): void {
    let part = flags & frameFlag.PADDED ? withoutPadding(payload) : payload;
    if (flags & frameFlag.PRIORITY) {
      if (part.length < 5) throw wrongSize("HEADERS", payload);
      part = part.subarray(5);
    }
    const isEnd = (flags & frameFlag.END_STREAM) !== 0;
    if (flags & frameFlag.END_HEADERS) {
      this.#target.onHeaders(id, this.#decoder.decode(part), isEnd);
      return;
    }
    this.#openBlock = { id, isEnd, parts: [], byteCount: 0 };
    this.#continue(this.#openBlock, part);
  }

  #onContinuation(flags: number, id: number, payload: Buffer): void {
    const block = this.#openBlock;
    if (!block || block.id !== id) throw new Http2Error("a continuation of no header block");
    this.#continue(block, payload);
    if (!(flags & frameFlag.END_HEADERS)) return;
    this.#openBlock = undefined;
    const decoded = this.#decoder.decode(Buffer.concat(block.parts));
    this.#target.onHeaders(id, decoded, block.isEnd);
  }

  #continue(block: OpenBlock, part: Buffer): void {
    block.parts.push(Buffer.from(part));
    block.byteCount += part.length;
    if (block.byteCount <= maxBlock.bytes && block.parts.length <= maxBlock.frames) return;
    throw new Http2Error("a header block is too long", http2Code.ENHANCE_YOUR_CALM);
  }

  #onGoaway(payload: Buffer): void {
    if (payload.length < 8) throw wrongSize("GOAWAY", payload);
    this.#target.onGoaway(payload.readUInt32BE(0) & maxWindowBytes, payload.readUInt32BE(4));
  }

  #onSettings(flags: number, payload: Buffer): void {
    if (flags & frameFlag.ACK) {
      if (payload.length > 0) throw wrongSize("SETTINGS", payload);
      this.#target.onUseless();
      return;
    }
    if (payload.length % 6 !== 0) throw wrongSize("SETTINGS", payload);
    const settings: ServerSettings = {};
    for (let at = 0; at < payload.length; at += 6) {
      readSetting(settings, payload.readUInt16BE(at), payload.readUInt32BE(at + 2));
    }
    this.#target.onSettings(settings);
  }
}

/** @see RFC 9113, section 6.5.2 */
function readSetting(settings: ServerSettings, id: number, value: number): void {
  if (id === settingId.MAX_CONCURRENT_STREAMS) settings.maxStreams = value;
  if (id === settingId.ENABLE_PUSH && value !== 0) throw new Http2Error("a server enables push");
  if (id === settingId.INITIAL_WINDOW_SIZE) {
    if (value > maxWindowBytes) {
      throw new Http2Error("a window that is too large", http2Code.FLOW_CONTROL_ERROR);
    }
    settings.streamWindowBytes = value;
  }
  if (id === settingId.MAX_FRAME_SIZE) {
    if (value < maxFrameBytes || value > 0xff_ffff) throw new Http2Error("a wrong frame size");
    settings.maxFrameBytes = value;
  }
}

/** @see RFC 9113, section 6.1 */
function withoutPadding(payload: Buffer): Buffer {
  const [paddingBytes] = payload;
  if (paddingBytes === undefined || paddingBytes >= payload.length) {
    throw new Http2Error("padding is longer than its frame");
  }
  return payload.subarray(1, payload.length - paddingBytes);
}

function numberOf(payload: Buffer): number {
  if (payload.length !== 4) throw wrongSize("a frame of one number", payload);
  return payload.readUInt32BE(0);
}

function ofConnection(id: number): void {
  if (id !== 0) throw new Http2Error("a frame of the connection with a stream");
}

function wrongSize(what: string, { length }: Buffer): Http2Error {
  return new Http2Error(`${what} with ${length} bytes`, http2Code.FRAME_SIZE_ERROR);
}
