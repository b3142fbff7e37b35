import { assertKeyLength, type WorkBudget } from "./work-budget.ts";

/** Bytes that are not a well-formed protocol buffers message. */
export class MalformedMessageError extends Error {
  override readonly name = "MalformedMessageError";
}

/** How a field is laid out. @see https://protobuf.dev/programming-guides/encoding */
export const wireType = { varint: 0, fixed64: 1, lengthDelimited: 2, fixed32: 5 } as const;

/** The tag of a field: its number and its layout. A field that is laid out otherwise has another tag. */
export function fieldTag(fieldNumber: number, type: number = wireType.lengthDelimited): number {
  return (fieldNumber << 3) | type;
}

/**
 * Reads a message field by field, in place: a bytes field is a view of the message.
 * Every step is checked against the end; what does not fit throws `MalformedMessageError`.
 */
export class MessageReader {
  readonly #bytes: Uint8Array;
  readonly #budget: WorkBudget | undefined;
  #position = 0;
  /** The 64 bits of the last varint, in halves. */
  #low = 0;
  #high = 0;
  /** Number and layout of the field that `next` came to, as `fieldTag` puts them together. */
  tag = 0;

  /** Where the next field begins, once the value of this one was read or skipped. */
  get position(): number {
    return this.#position;
  }

  /** @param budget - charged one element for each field, known or not */
  constructor(bytes: Uint8Array, budget?: WorkBudget) {
    this.#bytes = bytes;
    this.#budget = budget;
  }

  /**
   * Moves to the next field; its value must be read or skipped before the next call.
   *
   * @throws TooLargeError if the budget has no element left
   */
  next(): boolean {
    if (this.#position >= this.#bytes.byteLength) return false;
    this.#budget?.spend();
    this.tag = this.uint32();
    if (this.tag < 8) throw new MalformedMessageError("field number 0");
    return true;
  }

  /** Whether everything was read. Packed values have no fields: they are read until here. */
  get isAtEnd(): boolean {
    return this.#position >= this.#bytes.byteLength;
  }

  /** Low 32 bits of a varint, unsigned. */
  uint32(): number {
    this.#varint();
    return this.#low >>> 0;
  }

  /** A varint as 64 bits, signed. */
  int64(): bigint {
    this.#varint();
    return (BigInt(this.#high) << 32n) | BigInt(this.#low >>> 0);
  }

  /**
   * A varint as two halves of 32 bits, appended to `halves`: lower, then upper, both signed. Much cheaper than `int64`
   * where there are many.
   */
  pushInt64(halves: number[]): void {
    this.#varint();
    halves.push(this.#low, this.#high);
  }

  /** A view of the value as it lies there, whatever its layout; of a length-delimited one without its length. */
  bytes(): Uint8Array {
    let start = this.#position;
    let end = start;
    switch (this.tag & 7) {
      case wireType.lengthDelimited: {
        const length = this.#varint();
        start = this.#position;
        end = start + length;
        break;
      }
      case wireType.varint:
        this.#varint();
        end = this.#position;
        break;
      case wireType.fixed32:
        end += 4;
        break;
      case wireType.fixed64:
        end += 8;
        break;
      default:
        // Groups have been out of use since proto2, and nesting them would be a way to exhaust the stack.
        throw new MalformedMessageError(`wire type ${this.tag & 7}`);
    }
    if (end > this.#bytes.byteLength) throw new MalformedMessageError("the message is cut short");
    this.#position = end;
    return this.#bytes.subarray(start, end);
  }

  /**
   * A name: every text of these messages is one.
   *
   * @throws MalformedMessageError if the field is not UTF-8; TooLargeError if it is longer than a key may be
   */
  name(): string {
    const bytes = this.bytes();
    assertKeyLength(bytes.byteLength);
    try {
      return utf8Decoder.decode(bytes);
    } catch {
      throw new MalformedMessageError("a string that is not UTF-8");
    }
  }

  /** Passes over the value. */
  skip(): void {
    this.bytes();
  }

  /** Reads a varint into its two halves. Returns it as a number, exact below 2^53. */
  #varint(): number {
    let value = 0;
    let factor = 1;
    this.#low = 0;
    this.#high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.#bytes[this.#position];
      if (byte === undefined) throw new MalformedMessageError("the message is cut short");
      this.#position += 1;
      const part = byte & 0x7f;
      value += part * factor;
      factor *= 0x80;
      if (shift < 32) this.#low |= part << shift;
      if (shift === 28) this.#high = part >>> 4;
      else if (shift > 28) this.#high |= part << (shift - 32);
      if (byte < 0x80) return value;
    }
    throw new MalformedMessageError("a varint of more than 10 bytes");
  }
}

const utf8Decoder = new TextDecoder("utf-8", { fatal: true });

/** Reads a message whose only field is an int64 of number 1; 0 where it is left out. */
export function readInt64Message(message: Uint8Array, budget?: WorkBudget): bigint {
  let value = 0n;
  const reader = new MessageReader(message, budget);
  while (reader.next()) {
    if (reader.tag === int64Tag) value = reader.int64();
    else reader.skip();
  }
  return value;
}

const int64Tag = fieldTag(1, wireType.varint);

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
