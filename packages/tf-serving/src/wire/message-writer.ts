import { wireType } from "./message-reader.ts";

/** Payloads from this size on are referenced rather than copied, in bytes. */
const referencedBytes = 1_024;

/**
 * Writes a message as segments. Small pieces are gathered; a large payload becomes a segment of its own,
 * the very bytes that were handed in, so that a picture is framed without being copied.
 */
export class MessageWriter {
  readonly #segments: Uint8Array[] = [];
  #small: number[] = [];
  #byteLength = 0;

  /** Length of all that was written so far, in bytes. */
  get byteLength(): number {
    return this.#byteLength;
  }

  /** All segments, in order; the writer must not be written to afterwards. */
  finish(): readonly Uint8Array[] {
    this.#flush();
    return this.#segments;
  }

  tag(fieldNumber: number, type: number): this {
    return this.varint((fieldNumber << 3) | type);
  }

  /** @param value - an integer from 0 to 2^53 - 1 */
  varint(value: number): this {
    let rest = value;
    while (rest > 0x7f) {
      this.#push((rest % 0x80) | 0x80);
      rest = Math.floor(rest / 0x80);
    }
    this.#push(rest);
    return this;
  }

  /** A signed or unsigned 64-bit integer as protocol buffers write int64 and uint64. */
  varint64(value: bigint): this {
    let rest = BigInt.asUintN(64, value);
    while (rest > 0x7fn) {
      this.#push(Number(rest & 0x7fn) | 0x80);
      rest >>= 7n;
    }
    this.#push(Number(rest));
    return this;
  }

  varintField(fieldNumber: number, value: number | bigint): this {
    this.tag(fieldNumber, wireType.varint);
    return typeof value === "bigint" ? this.varint64(value) : this.varint(value);
  }

  bytesField(fieldNumber: number, value: Uint8Array): this {
    return this.tag(fieldNumber, wireType.lengthDelimited).varint(value.byteLength).raw(value);
  }

  stringField(fieldNumber: number, value: string): this {
    return this.bytesField(fieldNumber, utf8.encode(value));
  }

  messageField(fieldNumber: number, message: MessageWriter): this {
    this.tag(fieldNumber, wireType.lengthDelimited).varint(message.byteLength);
    for (const segment of message.finish()) this.raw(segment);
    return this;
  }

  /** Bytes as they are. */
  raw(bytes: Uint8Array): this {
    if (bytes.byteLength < referencedBytes) {
      for (const byte of bytes) this.#small.push(byte);
    } else {
      this.#flush();
      this.#segments.push(bytes);
    }
    this.#byteLength += bytes.byteLength;
    return this;
  }

  #push(byte: number): void {
    this.#small.push(byte);
    this.#byteLength += 1;
  }

  #flush(): void {
    if (this.#small.length === 0) return;
    this.#segments.push(Uint8Array.from(this.#small));
    this.#small = [];
  }
}

const utf8 = new TextEncoder();

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
