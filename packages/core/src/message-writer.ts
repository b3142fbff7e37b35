import { wireType } from "./message-reader.ts";

/** Payloads from this size on are referenced rather than copied, in bytes. */
const minReferencedBytes = 1_024;

/** Memory for what is gathered: at first, and at most for one segment, in bytes. */
const gathered = { firstBytes: 64, maxBytes: 16_384 } as const;

/**
 * Writes a message as segments. Small pieces are gathered; a large payload becomes its own segment,
 * the very bytes that were handed in, so that a picture is framed without being copied.
 */
export class MessageWriter {
  readonly #segments: Uint8Array[] = [];
  /** The segment after those, as far as `#usedBytes`. */
  #gathered = new Uint8Array(gathered.firstBytes);
  #usedBytes = 0;
  #byteLength = 0;

  /** All segments, in order. Nothing is written afterwards. */
  finish(): readonly Uint8Array[] {
    this.#endSegment(0);
    return this.#segments;
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
        this.#byte(Number(wide & 0x7fn) | 0x80);
      }
      rest = Number(wide);
    } else rest = value;
    for (; rest > 0x7f; rest = Math.floor(rest / 0x80)) {
      this.#byte((rest % 0x80) | 0x80);
    }
    this.#byte(rest);
    return this;
  }

  varintField(fieldNumber: number, value: number | bigint): this {
    return this.varint(fieldNumber << 3).varint(value);
  }

  doubleField(fieldNumber: number, value: number): this {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setFloat64(0, value, true);
    this.varint((fieldNumber << 3) | wireType.fixed64);
    this.#append(bytes);
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
    for (const segment of segments) this.#append(segment);
    return this;
  }

  stringField(fieldNumber: number, value: string): this {
    // Names of models and tensors, which every request has: ASCII needs no encoder, and no separate bytes.
    if (value.length >= minReferencedBytes || !isAscii(value)) {
      return this.bytesField(fieldNumber, utf8Encoder.encode(value));
    }
    this.varint((fieldNumber << 3) | wireType.lengthDelimited).varint(value.length);
    for (let at = 0; at < value.length; at += 1) this.#byte(value.charCodeAt(at));
    return this;
  }

  /** @param message - must not be written to afterwards */
  messageField(fieldNumber: number, message: MessageWriter): this {
    this.varint((fieldNumber << 3) | wireType.lengthDelimited).varint(message.#byteLength);
    for (const segment of message.finish()) this.#append(segment);
    return this;
  }

  #byte(value: number): void {
    if (this.#usedBytes === this.#gathered.byteLength) this.#makeRoom(1);
    this.#gathered[this.#usedBytes] = value;
    this.#usedBytes += 1;
    this.#byteLength += 1;
  }

  #append(bytes: Uint8Array): void {
    const { byteLength } = bytes;
    this.#byteLength += byteLength;
    if (byteLength >= minReferencedBytes) {
      this.#endSegment(gathered.firstBytes);
      this.#segments.push(bytes);
      return;
    }
    if (this.#usedBytes + byteLength > this.#gathered.byteLength) this.#makeRoom(byteLength);
    this.#gathered.set(bytes, this.#usedBytes);
    this.#usedBytes += byteLength;
  }

  /** @param byteCount - fewer than are referenced */
  #makeRoom(byteCount: number): void {
    const neededBytes = this.#usedBytes + byteCount;
    if (neededBytes > gathered.maxBytes) {
      this.#endSegment(gathered.maxBytes);
      return;
    }
    const before = this.#gathered;
    const doubled = Math.max(2 * before.byteLength, neededBytes);
    this.#gathered = new Uint8Array(Math.min(doubled, gathered.maxBytes));
    this.#gathered.set(before);
  }

  /** @param nextBytes - memory of the next segment */
  #endSegment(nextBytes: number): void {
    if (this.#usedBytes === 0) return;
    this.#segments.push(this.#gathered.subarray(0, this.#usedBytes));
    this.#gathered = new Uint8Array(nextBytes);
    this.#usedBytes = 0;
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
