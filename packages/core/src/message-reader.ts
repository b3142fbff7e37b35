import { TooLargeError } from "./scoring-error.ts";

/**
 * What taking one message, form or file apart may still cost, in elements: fields, entries of lists and maps, JSON
 * values, parts, chunks. A parser charges each element before it is built, so that a message whose parsing would cost
 * far more than its bytes is rejected while it is read. Bytes are bounded elsewhere.
 */
export interface WorkBudget {
  /** Elements charged so far. */
  readonly spent: number;
  /** @throws TooLargeError if that is more than there is */
  spend(elementCount?: number): void;
}

/**
 * Longest key of a map or an object, and longest name, in bytes. JavaScript's engine hashes a text of 16,384 characters and more by its
 * length alone: among such keys each one would be compared with all the others.
 */
const maxKeyBytes = 1_024;

/** @throws TooLargeError if a key or a name of so many bytes is longer than they may be */
export function assertKeyLength(byteCount: number): void {
  if (byteCount <= maxKeyBytes) return;
  throw new TooLargeError(`the message has a key or name of more than ${maxKeyBytes} bytes`);
}

/** @param maxElements - an integer >= 0 */
export function createWorkBudget(maxElements: number): WorkBudget {
  const budget: WorkBudget & { spent: number } = {
    spent: 0,
    spend: (elementCount = 1) => {
      budget.spent += elementCount;
      if (budget.spent <= maxElements) return;
      throw new TooLargeError(
        `the message has more than ${maxElements} elements (fields, entries, values or parts)`,
        { hint: "send several smaller messages, or tensors as raw bytes" },
      );
    },
  };
  return budget;
}

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
