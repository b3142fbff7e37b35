import { http2Code, maxHeaderBytes } from "./contract.ts";

/** Types of frames. @see RFC 9113, section 6 */
export const frameType = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const;

/** Flags of frames: some types share a bit. */
export const frameFlag = {
  ACK: 0x1,
  END_STREAM: 0x1,
  END_HEADERS: 0x4,
  PADDED: 0x8,
  PRIORITY: 0x20,
} as const;

/** @see RFC 9113, section 6.5.2 */
export const settingId = {
  HEADER_TABLE_SIZE: 1,
  ENABLE_PUSH: 2,
  MAX_CONCURRENT_STREAMS: 3,
  INITIAL_WINDOW_SIZE: 4,
  MAX_FRAME_SIZE: 5,
  MAX_HEADER_LIST_SIZE: 6,
} as const;

/** What a client sends before its first frame. @see RFC 9113, section 3.4 */
const preface: Buffer = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

/** Window of a connection, and of streams until SETTINGS say otherwise, in bytes. */
export const initialWindowBytes = 65_535;

export const maxWindowBytes = 0x7fff_ffff;

/** Longest payload of a frame unless SETTINGS allow more, in bytes: none is allowed here. */
export const maxFrameBytes = 16_384;

/** Length of the head of a frame, in bytes. */
export const frameHeadBytes = 9;

/** Thrown when a server breaks the protocol: the connection ends with this code. */
export class Http2Error extends Error {
  override readonly name = "Http2Error";
  /** As of the errors of `node:http2`. */
  readonly code = "ERR_HTTP2_ERROR";
  readonly http2Code: number;

  constructor(message: string, code: number = http2Code.PROTOCOL_ERROR) {
    super(message);
    this.http2Code = code;
  }
}

export interface FrameHead {
  /** Of the payload, in bytes. */
  readonly byteCount: number;
  readonly type: number;
  readonly flags: number;
  /** 0 for the connection. */
  readonly id: number;
}

/** Writes the head of a frame at `at`. */
export function writeHead(target: Buffer, { byteCount, type, flags, id }: FrameHead, at = 0): void {
  target[at] = byteCount >>> 16;
  target[at + 1] = byteCount >>> 8;
  target[at + 2] = byteCount;
  target[at + 3] = type;
  target[at + 4] = flags;
  target.writeUInt32BE(id, at + 5);
}

/** Returns a frame with this payload. */
export function frame(type: number, payload: Uint8Array, id = 0, flags = 0): Buffer {
  const { byteLength: byteCount } = payload;
  const whole = Buffer.allocUnsafe(frameHeadBytes + byteCount);
  writeHead(whole, { byteCount, type, flags, id });
  whole.set(payload, frameHeadBytes);
  return whole;
}

/** Returns what a client sends first. @param windowBytes - that it offers per stream and for the connection */
export function greeting(windowBytes: number): Buffer {
  const settings = settingsFrame([
    [settingId.ENABLE_PUSH, 0],
    [settingId.INITIAL_WINDOW_SIZE, windowBytes],
    [settingId.MAX_HEADER_LIST_SIZE, maxHeaderBytes],
  ]);
  const moreBytes = windowBytes - initialWindowBytes;
  const window = moreBytes > 0 ? [numberFrame(frameType.WINDOW_UPDATE, moreBytes, 0)] : [];
  return Buffer.concat([preface, settings, ...window]);
}

function settingsFrame(settings: readonly (readonly [id: number, value: number])[]): Buffer {
  const payload = Buffer.alloc(6 * settings.length);
  settings.forEach(([id, value], index) => {
    payload.writeUInt16BE(id, 6 * index);
    payload.writeUInt32BE(value, 6 * index + 2);
  });
  return frame(frameType.SETTINGS, payload);
}

/** Returns WINDOW_UPDATE or RST_STREAM: frames of one number. */
export function numberFrame(type: number, value: number, id: number): Buffer {
  const whole = Buffer.allocUnsafe(frameHeadBytes + 4);
  writeHead(whole, { byteCount: 4, type, flags: 0, id });
  whole.writeUInt32BE(value, frameHeadBytes);
  return whole;
}

/** Returns GOAWAY. No stream of a server was processed, since there are none. */
export function goawayFrame(code: number): Buffer {
  const payload = Buffer.alloc(8);
  payload.writeUInt32BE(code, 4);
  return frame(frameType.GOAWAY, payload);
}

/** Cuts what a connection receives into frames. */
export abstract class FrameReader {
  /** The beginning of a frame that was not received whole. */
  #pending: Buffer | undefined;
  #pendingBytes = 0;

  /** Receives a frame, whose payload is valid until this returns. */
  protected abstract onFrame(type: number, flags: number, id: number, payload: Buffer): void;

  /**
   * @param bytes - valid until this returns
   * @throws Http2Error if a frame is longer than `maxFrameBytes`, and whatever `onFrame` throws
   */
  read(bytes: Buffer): void {
    let at = this.#pending ? this.#complete(bytes) : 0;
    while (bytes.length - at >= frameHeadBytes) {
      const end = at + frameHeadBytes + payloadBytes(bytes, at);
      if (end > bytes.length) break;
      this.#report(bytes, at, end);
      at = end;
    }
    if (at < bytes.length) this.#keep(bytes, at);
  }

  /** @returns where the frame that was pending ends */
  #complete(bytes: Buffer): number {
    const headEnd = this.#fill(bytes, 0, frameHeadBytes);
    const pending = this.#pending as Buffer;
    if (this.#pendingBytes < frameHeadBytes) return headEnd;
    const frameBytes = frameHeadBytes + payloadBytes(pending, 0);
    const end = this.#fill(bytes, headEnd, frameBytes);
    if (this.#pendingBytes < frameBytes) return end;
    this.#pending = undefined;
    this.#pendingBytes = 0;
    this.#report(pending, 0, frameBytes);
    return end;
  }

  /** Adds to the pending frame until it has `wantedBytes`. @returns where what was taken ends */
  #fill(bytes: Buffer, from: number, wantedBytes: number): number {
    const end = Math.min(bytes.length, from + Math.max(0, wantedBytes - this.#pendingBytes));
    bytes.copy(this.#pending as Buffer, this.#pendingBytes, from, end);
    this.#pendingBytes += end - from;
    return end;
  }

  #keep(bytes: Buffer, from: number): void {
    this.#pending ??= Buffer.allocUnsafeSlow(frameHeadBytes + maxFrameBytes);
    this.#pendingBytes = bytes.copy(this.#pending, 0, from);
  }

  #report(bytes: Buffer, at: number, end: number): void {
    const id = bytes.readUInt32BE(at + 5) & 0x7fff_ffff;
    const payload = bytes.subarray(at + frameHeadBytes, end);
    this.onFrame(bytes[at + 3] as number, bytes[at + 4] as number, id, payload);
  }
}

function payloadBytes(bytes: Buffer, at: number): number {
  const [high, middle, low] = [
    bytes[at] as number,
    bytes[at + 1] as number,
    bytes[at + 2] as number,
  ];
  const byteCount = (high << 16) | (middle << 8) | low;
  if (byteCount <= maxFrameBytes) return byteCount;
  if (bytes.toString("latin1", at, at + 5) === "HTTP/") {
    throw new Http2Error("the server answers in HTTP/1.1");
  }
  const message = `a frame of ${byteCount} bytes`;
  throw new Http2Error(message, http2Code.FRAME_SIZE_ERROR);
}
