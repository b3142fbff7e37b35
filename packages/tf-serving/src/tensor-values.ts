import {
  bytesPerElement,
  createWorkBudget,
  type FixedSizeDType,
  type WorkBudget,
} from "@tensorgate/core";
import { valueFields } from "./tensor-proto-fields.ts";

/** A `TensorProto` that TensorFlow would not parse, or that is too large. */
export class TensorParsingError extends Error {
  override readonly name = "TensorParsingError";
}

export interface TensorBudgetOptions {
  /**
   * Most fields, strings and values that come one by one. Values that are packed, or raw bytes, are not counted: they
   * are viewed where they lie, or charged as bytes.
   * @default 131_072
   */
  readonly maxElements?: number;
  /**
   * Most bytes of values that are written out rather than viewed: varints, and those that are fewer than the shape says,
   * of which the last one fills the rest.
   * @default 268_435_456
   */
  readonly maxValueBytes?: number;
  /**
   * Most bytes of packed varints: they are read one by one, in one turn of the event loop.
   * @default 16_777_216
   */
  readonly maxVarintBytes?: number;
}

/** Budget for reading the tensors of one message. */
export interface TensorBudget {
  readonly elements: WorkBudget;
  /** @throws TensorParsingError if that is more than there is */
  takeValueBytes(byteCount: number): void;
  /** @throws TensorParsingError if that is more than there is */
  takeVarintBytes(byteCount: number): void;
}

export const tensorBudgetDefaults: Required<TensorBudgetOptions> = {
  maxElements: 131_072,
  maxValueBytes: 268_435_456,
  maxVarintBytes: 16_777_216,
};

export function createTensorBudget(options: TensorBudgetOptions = {}): TensorBudget {
  const { maxElements, maxValueBytes, maxVarintBytes } = { ...tensorBudgetDefaults, ...options };
  let takenBytes = 0;
  let varintBytes = 0;
  return {
    elements: createWorkBudget(maxElements),
    takeValueBytes: (byteCount) => {
      takenBytes += byteCount;
      if (takenBytes <= maxValueBytes) return;
      throw new TensorParsingError(
        `tensors of ${takenBytes} bytes, written out; at most ${maxValueBytes} are accepted`,
      );
    },
    takeVarintBytes: (byteCount) => {
      varintBytes += byteCount;
      if (varintBytes <= maxVarintBytes) return;
      throw new TensorParsingError(
        `${varintBytes} bytes of integers one by one; at most ${maxVarintBytes} are accepted, more in tensor_content`,
      );
    },
  };
}

/** Values of one field as they came: packed ones whole, others one by one. */
export interface FieldValues {
  readonly field: number;
  readonly bytes: Uint8Array;
}

/** Elements of a tensor, as encoded. */
export interface EncodedElements {
  readonly content: Uint8Array;
  /** Value fields in the order they came. */
  readonly values: readonly FieldValues[];
}

/** The elements of a fixed-size type. */
export interface ElementsWanted {
  readonly dtype: FixedSizeDType;
  /** Size by the shape, in bytes. */
  readonly byteCount: number;
}

/**
 * Reads the elements of a fixed-size type, little-endian: from `tensor_content`, which wins, or from the value field of
 * the type. They are viewed where they lie if their layout allows it. Memory is charged before it is taken, and each byte
 * of the message costs the same whatever it holds.
 *
 * @throws TensorParsingError if values are cut short or not as many as the shape says, or would take more bytes than the
 *   budget has
 */
export function readElements(
  { content, values }: EncodedElements,
  { dtype, byteCount }: ElementsWanted,
  budget: TensorBudget,
): Uint8Array {
  if (byteCount === 0) return new Uint8Array();
  if (content.byteLength > 0) {
    if (content.byteLength !== byteCount) {
      throw new TensorParsingError(`${content.byteLength} bytes of content, not ${byteCount}`);
    }
    if (dtype === "BOOL" && hasByteOver1(content)) {
      throw new TensorParsingError("a truth value that is neither 0 nor 1");
    }
    return content;
  }
  const { number, layout } = valueFields[dtype];
  const own: Uint8Array[] = [];
  for (const { field, bytes } of values) if (field === number) own.push(bytes);
  const [only] = own;
  // Packed floats are little-endian elements already.
  const isWhole = own.length === 1 && only?.byteLength === byteCount;
  if (layout !== "varint" && isWhole && only) return only;

  const elementBytes = bytesPerElement[dtype];
  if (layout === "varint") {
    budget.takeValueBytes(byteCount);
    const target = new VarintTarget(byteCount, dtype);
    for (const bytes of own) {
      budget.takeVarintBytes(bytes.byteLength);
      target.write(bytes);
    }
    return fillWithLast(target.data, target.filled, elementBytes);
  }
  const size = layout === "fixed32" ? 4 : layout === "fixed64" ? 8 : 1;
  if (own.some((bytes) => bytes.byteLength % size !== 0)) {
    throw new TensorParsingError("packed values that are cut short");
  }
  budget.takeValueBytes(byteCount);
  // A float8 field is one string of bytes, of which the last holds.
  const chunks = layout === "bytes" ? own.slice(-1) : own;
  const sent = chunks.reduce((total, bytes) => total + bytes.byteLength, 0);
  // Half a complex number is none.
  const wholeBytes = Math.min(sent - (sent % elementBytes), byteCount);
  const data = new Uint8Array(byteCount);
  let filled = 0;
  for (const bytes of chunks) {
    const taken = bytes.subarray(0, wholeBytes - filled);
    data.set(taken, filled);
    filled += taken.byteLength;
  }
  return fillWithLast(data, filled, elementBytes);
}

function hasByteOver1(bytes: Uint8Array): boolean {
  let seen = 0;
  for (let at = 0; at < bytes.byteLength; at += 1) seen |= bytes[at] as number;
  return seen > 1;
}

/** Writes varints as elements, wrapped to the element's size. */
class VarintTarget {
  readonly data: Uint8Array;
  filled = 0;
  readonly #view: DataView;
  readonly #elementBytes: number;
  readonly #isBool: boolean;

  constructor(byteCount: number, dtype: FixedSizeDType) {
    this.data = new Uint8Array(byteCount);
    this.#view = new DataView(this.data.buffer);
    this.#elementBytes = bytesPerElement[dtype];
    this.#isBool = dtype === "BOOL";
  }

  /** Writes varints until all elements are filled. */
  write(bytes: Uint8Array): void {
    let position = 0;
    while (position < bytes.byteLength && this.filled < this.data.byteLength) {
      if (this.#elementBytes === 1) position = this.#writeShort(bytes, position);
      if (position === bytes.byteLength || this.filled === this.data.byteLength) return;
      let low = 0;
      let high = 0;
      for (let index = 0; ; index += 1) {
        const byte = bytes[position++];
        if (byte === undefined || index > 9) {
          throw new TensorParsingError("packed values that are cut short");
        }
        const part = byte & 0x7f;
        if (index < 5) low |= part << (7 * index);
        if (index === 4) high = part >>> 4;
        else if (index > 4) high |= part << (7 * index - 32);
        if (byte < 0x80) break;
      }
      this.#put(low, high);
    }
  }

  /** Writes the values that are one byte each, as they come: nearly all of a mask or a picture. @returns where the next one begins */
  #writeShort(bytes: Uint8Array, start: number): number {
    const count = Math.min(bytes.byteLength - start, this.data.byteLength - this.filled);
    const { data, filled } = this;
    let at = 0;
    for (; at < count; at += 1) {
      const byte = bytes[start + at] as number;
      if (byte >= 0x80) break;
      data[filled + at] = this.#isBool ? Math.min(byte, 1) : byte;
    }
    this.filled += at;
    return start + at;
  }

  /** A truth value is true whichever bit is set. */
  #put(low: number, high: number): void {
    if (this.#isBool) this.data[this.filled] = (low | high) === 0 ? 0 : 1;
    else if (this.#elementBytes === 1) this.data[this.filled] = low;
    else if (this.#elementBytes === 2) this.#view.setUint16(this.filled, low & 0xffff, true);
    else this.#view.setInt32(this.filled, low, true);
    if (this.#elementBytes === 8) this.#view.setInt32(this.filled + 4, high, true);
    this.filled += this.#elementBytes;
  }
}

/** Fills the rest with the last element; without elements it stays zero. */
function fillWithLast(data: Uint8Array, filled: number, elementBytes: number): Uint8Array {
  if (filled < elementBytes) return data;
  // Doubling runs: copyWithin is as fast as memory, element by element is not.
  let end = filled;
  const start = filled - elementBytes;
  while (end < data.byteLength) {
    const run = Math.min(end - start, data.byteLength - end);
    data.copyWithin(end, start, start + run);
    end += run;
  }
  return data;
}
