import { bytesPerElement, type FixedSizeDType } from "@tensorgate/core";
import type { TensorBudget } from "./tensor-budget.ts";
import { TensorParsingError } from "./tensor-budget.ts";
import { valueFields } from "./tensor-proto-fields.ts";

/** Values of one field as they came: packed ones whole, others one by one. */
export interface FieldValues {
  readonly field: number;
  readonly bytes: Uint8Array;
}

/** The elements of a fixed-size type. */
export interface ElementsWanted {
  readonly dtype: FixedSizeDType;
  /** What the shape says, in bytes. */
  readonly byteCount: number;
}

/**
 * The elements that the value field of a type holds, little-endian: viewed where they lie if their layout allows it.
 * Memory is charged before it is taken, and each byte of the message costs the same whatever it holds.
 *
 * @throws TensorParsingError if values are cut short, or would take more bytes than the budget has
 */
export function elementsFromValues(
  values: readonly FieldValues[],
  { dtype, byteCount }: ElementsWanted,
  budget: TensorBudget,
): Uint8Array {
  const { number, layout } = valueFields[dtype];
  const own = values.filter(({ field }) => field === number);
  const [only] = own;
  // Already little-endian elements: packed floats are viewed where they lie.
  const isViewed = layout !== "varint" && own.length === 1 && only?.bytes.byteLength === byteCount;
  if (isViewed && only) return only.bytes;

  const elementBytes = bytesPerElement[dtype];
  if (layout === "varint") {
    budget.takeValueBytes(byteCount);
    const target = new VarintTarget(byteCount, dtype);
    for (const { bytes } of own) target.write(bytes);
    return fillWithLast(target.data, target.filled, elementBytes);
  }
  const size = layout === "fixed32" ? 4 : layout === "fixed64" ? 8 : 1;
  if (own.some(({ bytes }) => bytes.byteLength % size !== 0)) {
    throw new TensorParsingError("packed values that are cut short");
  }
  budget.takeValueBytes(byteCount);
  // A float8 field is one string of bytes, of which the last holds.
  const chunks = layout === "bytes" ? own.slice(-1) : own;
  const data = new Uint8Array(byteCount);
  let filled = 0;
  for (const { bytes } of chunks) {
    const taken = bytes.subarray(0, byteCount - filled);
    data.set(taken, filled);
    filled += taken.byteLength;
  }
  return fillWithLast(data, filled, elementBytes);
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

  /** Takes varints until all elements are filled. */
  write(bytes: Uint8Array): void {
    let position = 0;
    while (position < bytes.byteLength && this.filled < this.data.byteLength) {
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

/** Repeats the last element that was set; what none was set of stays zero. */
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
