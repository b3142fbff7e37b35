import { assertKeyLength, type WorkBudget } from "@tensorgate/core";

/** Bytes that are not a well-formed protocol buffers message. */
export class MalformedMessageError extends Error {
  override readonly name = "MalformedMessageError";
}

/** How a field is laid out. @see https://protobuf.dev/programming-guides/encoding */
export const wireType = { varint: 0, fixed64: 1, lengthDelimited: 2, fixed32: 5 } as const;

/**
 * Reads a message field by field, in place: a bytes field is a view of the message.
 * Every step is checked against the end; what does not fit throws `MalformedMessageError`.
 */
export class MessageReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #end: number;
  readonly #budget: WorkBudget | undefined;
  #position = 0;
  /** Number of the field that `next` came to. */
  fieldNumber = 0;
  /** Layout of the field that `next` came to. */
  wireType = 0;

  /** @param budget - charged one element for each field, known or not */
  constructor(bytes: Uint8Array, budget?: WorkBudget) {
    this.#bytes = bytes;
    this.#budget = budget;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#end = bytes.byteLength;
  }

  /**
   * Moves to the next field; its value must be read or skipped before the next call.
   *
   * @throws TooLargeError if the budget has no element left
   */
  next(): boolean {
    if (this.#position >= this.#end) return false;
    this.#budget?.spend();
    const tag = this.uint32();
    this.fieldNumber = tag >>> 3;
    this.wireType = tag & 7;
    if (this.fieldNumber === 0) throw new MalformedMessageError("field number 0");
    return true;
  }

  /** Low 32 bits of a varint, unsigned. */
  uint32(): number {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.#byte();
      if (shift < 32) value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    throw new MalformedMessageError("a varint of more than 10 bytes");
  }

  /** A varint as 64 bits, unsigned. */
  uint64(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#byte();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new MalformedMessageError("a varint of more than 10 bytes");
  }

  /** A view of a varint as it is encoded. */
  varint(): Uint8Array {
    const start = this.#position;
    this.#varint();
    return this.#bytes.subarray(start, this.#position);
  }

  fixed32(): Uint8Array {
    return this.#take(4);
  }

  fixed64(): Uint8Array {
    return this.#take(8);
  }

  /** A view of a length-delimited field. */
  bytes(): Uint8Array {
    return this.#take(this.#varint());
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
      return utf8.decode(bytes);
    } catch {
      throw new MalformedMessageError("a string that is not UTF-8");
    }
  }

  /** Passes over a value of the layout that `next` found. */
  skip(): void {
    switch (this.wireType) {
      case wireType.varint:
        this.#varint();
        return;
      case wireType.fixed64:
        this.#take(8);
        return;
      case wireType.lengthDelimited:
        this.bytes();
        return;
      case wireType.fixed32:
        this.#take(4);
        return;
      default:
        // Groups have been out of use since proto2, and nesting them would be a way to exhaust the stack.
        throw new MalformedMessageError(`wire type ${this.wireType}`);
    }
  }

  /** Whether the field found is field `number`, laid out as `type`; one laid out otherwise is not known. */
  is(number: number, type: number): boolean {
    return this.fieldNumber === number && this.wireType === type;
  }

  #byte(): number {
    if (this.#position >= this.#end) throw new MalformedMessageError("the message is cut short");
    return this.#view.getUint8(this.#position++);
  }

  /** A varint, exact below 2^53. */
  #varint(): number {
    let value = 0;
    for (let factor = 1; factor < 2 ** 70; factor *= 2 ** 7) {
      const byte = this.#byte();
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
    throw new MalformedMessageError("a varint of more than 10 bytes");
  }

  #take(length: number): Uint8Array {
    const start = this.#position;
    if (length > this.#end - start) throw new MalformedMessageError("the message is cut short");
    this.#position = start + length;
    return this.#bytes.subarray(start, this.#position);
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true });
