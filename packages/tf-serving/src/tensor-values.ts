import {
  bytesPerElement,
  type FixedSizeDType,
  type FixedSizeTensor,
  MessageWriter,
} from "@tensorgate/core";
import { signedDTypes, valueFields } from "./tensor-proto-fields.ts";

/** A `TensorProto` that TensorFlow would not parse, or that is too large. */
export class TensorParsingError extends Error {
  override readonly name = "TensorParsingError";
}

/** What values may take that are written out rather than viewed where they lie. */
export interface ValueBudget {
  /** @throws TensorParsingError if that is more than there is */
  takeValueBytes(byteCount: number): void;
  /** @throws TensorParsingError if that is more than there is */
  takeVarintBytes(byteCount: number): void;
}

/** The elements of a fixed-size type. */
export interface ElementsWanted {
  readonly dtype: FixedSizeDType;
  /** Size by the shape, in bytes. */
  readonly byteCount: number;
}

/**
 * Writes out elements that came in pieces, as varints, or fewer than the shape says, of which the last one fills the rest.
 * Memory is charged before it is taken, and each byte of the message costs the same whatever it holds.
 *
 * @param own - what came of the value field of the type
 * @throws TensorParsingError if values are cut short, or would take more bytes than the budget has
 */
export function writtenElements(
  own: readonly Uint8Array[],
  { dtype, byteCount }: ElementsWanted,
  budget: ValueBudget,
): Uint8Array {
  const { layout } = valueFields[dtype];
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

export function hasByteOver1(bytes: Uint8Array): boolean {
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

/** Reads strings from `tensor_content`: all lengths as varints, then all bytes. */
export function stringsFromContent(content: Uint8Array, count: number): readonly Uint8Array[] {
  const lengths: number[] = [];
  let offset = 0;
  for (let index = 0; index < count; index += 1) {
    let length = 0;
    let scale = 1;
    for (;;) {
      const byte = content[offset++];
      if (byte === undefined || scale > 2 ** 35) throw new TensorParsingError("content cut short");
      length += (byte & 0x7f) * scale;
      scale *= 0x80;
      if (byte < 0x80) break;
    }
    lengths.push(length);
  }
  const elements = lengths.map((length) => {
    const element = content.subarray(offset, offset + length);
    offset += length;
    return element;
  });
  if (offset !== content.byteLength) throw new TensorParsingError("content of another length");
  return elements;
}

/** Writes the elements of a tensor in the value field of its type. */
export function writeValues(
  writer: MessageWriter,
  { dtype, data }: FixedSizeTensor,
): MessageWriter {
  const { number, layout } = valueFields[dtype];
  // Packed floats on the wire are what they are in memory.
  if (layout !== "varint") return writer.bytesField(number, data);

  const elementBytes = bytesPerElement[dtype];
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const isSigned = signedDTypes.has(dtype);
  const packed = new MessageWriter();
  for (let offset = 0; offset < data.byteLength; offset += elementBytes) {
    const value = readInteger(view, offset, elementBytes, isSigned);
    packed.varint(value < 0 ? BigInt(value) : value);
  }
  return writer.messageField(number, packed);
}

function readInteger(
  view: DataView,
  offset: number,
  elementBytes: number,
  isSigned: boolean,
): number | bigint {
  switch (elementBytes) {
    case 1:
      return isSigned ? view.getInt8(offset) : view.getUint8(offset);
    case 2:
      return isSigned ? view.getInt16(offset, true) : view.getUint16(offset, true);
    case 4:
      return isSigned ? view.getInt32(offset, true) : view.getUint32(offset, true);
    default:
      return isSigned ? view.getBigInt64(offset, true) : view.getBigUint64(offset, true);
  }
}
