import { wireType } from "./message-reader.ts";

/** Payloads from this size on are referenced rather than copied, in bytes. */
const minReferencedBytes = 1_024;

/**
 * Writes a message as segments. Small pieces are gathered; a large payload becomes a segment of its own,
 * the very bytes that were handed in, so that a picture is framed without being copied.
 */
export class MessageWriter {
  /** Bytes that are gathered in the last piece. */
  #small: number[] = [];
  readonly #pieces: (readonly number[] | Uint8Array)[] = [this.#small];
  #byteLength = 0;

  /** All segments, in order. */
  finish(): readonly Uint8Array[] {
    const segments: Uint8Array[] = [];
    for (const piece of this.#pieces) {
      if (piece instanceof Uint8Array) segments.push(piece);
      else if (piece.length > 0) segments.push(new Uint8Array(piece));
    }
    return segments;
  }

  /**
   * @param value - an integer from 0 to 2^53 - 1, or a signed or unsigned one of 64 bits, as protocol buffers write int64
   *   and uint64
   */
  varint(value: number | bigint): this {
    let rest: number;
    if (typeof value === "bigint") {
      let wide = BigInt.asUintN(64, value);
      for (; wide > maxSafeInteger; wide >>= 7n) {
        this.#small.push(Number(wide & 0x7fn) | 0x80);
        this.#byteLength += 1;
      }
      rest = Number(wide);
    } else rest = value;
    for (; rest > 0x7f; rest = Math.floor(rest / 0x80)) {
      this.#small.push((rest % 0x80) | 0x80);
      this.#byteLength += 1;
    }
    this.#small.push(rest);
    this.#byteLength += 1;
    return this;
  }

  varintField(fieldNumber: number, value: number | bigint): this {
    return this.varint(fieldNumber << 3).varint(value);
  }

  doubleField(fieldNumber: number, value: number): this {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setFloat64(0, value, true);
    this.varint((fieldNumber << 3) | wireType.fixed64);
    for (const byte of bytes) this.#small.push(byte);
    this.#byteLength += bytes.byteLength;
    return this;
  }

  bytesField(fieldNumber: number, value: Uint8Array): this {
    return this.segmentsField(fieldNumber, [value]);
  }

  /** A field whose bytes come in segments. */
  segmentsField(fieldNumber: number, segments: readonly Uint8Array[]): this {
    let byteLength = 0;
    for (const segment of segments) byteLength += segment.byteLength;
    this.varint((fieldNumber << 3) | wireType.lengthDelimited).varint(byteLength);
    this.#byteLength += byteLength;
    for (const segment of segments) {
      if (segment.byteLength < minReferencedBytes) {
        for (const byte of segment) this.#small.push(byte);
      } else this.#reference(segment);
    }
    return this;
  }

  #reference(payload: Uint8Array): void {
    this.#small = [];
    this.#pieces.push(payload, this.#small);
  }

  stringField(fieldNumber: number, value: string): this {
    // Names of models and tensors, which every request has: ASCII needs no encoder, and no bytes of its own.
    if (value.length >= minReferencedBytes || !isAscii(value)) {
      return this.bytesField(fieldNumber, utf8Encoder.encode(value));
    }
    this.varint((fieldNumber << 3) | wireType.lengthDelimited).varint(value.length);
    for (let at = 0; at < value.length; at += 1) this.#small.push(value.charCodeAt(at));
    this.#byteLength += value.length;
    return this;
  }

  /** @param message - must not be written to afterwards */
  messageField(fieldNumber: number, message: MessageWriter): this {
    this.varint((fieldNumber << 3) | wireType.lengthDelimited).varint(message.#byteLength);
    this.#byteLength += message.#byteLength;
    for (const piece of message.#pieces) {
      if (piece instanceof Uint8Array) this.#reference(piece);
      else for (const byte of piece) this.#small.push(byte);
    }
    return this;
  }
}

const utf8Encoder = new TextEncoder();

function isAscii(text: string): boolean {
  for (let at = 0; at < text.length; at += 1) if (text.charCodeAt(at) > 0x7f) return false;
  return true;
}

const maxSafeInteger = BigInt(Number.MAX_SAFE_INTEGER);

/** The segments of one message joined. */
export function joined(segments: readonly Uint8Array[]): Uint8Array {
  const [only] = segments;
  if (only && segments.length === 1) return only;
  const whole = new Uint8Array(segments.reduce((sum, segment) => sum + segment.byteLength, 0));
  let offset = 0;
  for (const segment of segments) {
    whole.set(segment, offset);
    offset += segment.byteLength;
  }
  return whole;
}
