import {
  type BytesTensor,
  bytesPerElement,
  bytesTensor,
  cutText,
  elementCount,
  floatValues,
  InvalidRequestError,
  isFloat,
  type Tensor,
} from "@tensorgate/core";
import { isDatatype } from "./datatype.ts";
import { integerReaders } from "./integers.ts";

/** Most values that are ranked: sorting them must not hold up other calls. */
const maxValues = 131_072;

const utf8 = new TextEncoder();

/**
 * Replaces the values of an output by its classes: the `classCount` largest values, as `value:index` or
 * `value:index:label`, in descending order; NaN comes last.
 *
 * @param labels - names of the classes by index; empty if they have none
 * @returns shape `[n, k]` if the output has more than one axis, the first of which is the batch; otherwise `[k]`
 * @throws InvalidRequestError if the output is BYTES, or has more than 131,072 values
 */
export function classified(
  name: string,
  tensor: Tensor,
  { classCount, labels }: { readonly classCount: number; readonly labels: readonly string[] },
): BytesTensor {
  const { shape } = tensor;
  const total = elementCount(shape);
  if (total > maxValues) {
    throw new InvalidRequestError(
      `output "${cutText(name, 80)}" has ${total} values; at most ${maxValues} can be classified`,
      { field: name },
    );
  }
  const itemCount = shape.length > 1 ? (shape[0] as number) : 1;
  const width = itemCount === 0 ? 0 : total / itemCount;
  const { values, text } = ranked(name, tensor);
  const k = Math.min(classCount, width);
  const elements: Uint8Array[] = [];
  for (let item = 0; item < itemCount; item += 1) {
    const start = item * width;
    const order = Array.from({ length: width }, (_, index) => index).sort(
      (a, b) => descending(values[start + a], values[start + b]) || a - b,
    );
    for (const index of order.slice(0, k)) {
      const label = labels[index];
      const suffix = label === undefined ? "" : `:${label}`;
      elements.push(utf8.encode(`${text(start + index)}:${index}${suffix}`));
    }
  }
  return bytesTensor(shape.length > 1 ? [itemCount, k] : [k], elements);
}

type Ranked = number | bigint | undefined;

function descending(a: Ranked, b: Ranked): number {
  const x = a ?? Number.NaN;
  const y = b ?? Number.NaN;
  if (x > y) return -1;
  if (x < y) return 1;
  // Neither: they are equal, or one is NaN.
  return Number(Number.isNaN(x)) - Number(Number.isNaN(y));
}

interface RankedValues {
  readonly values: ArrayLike<number | bigint>;
  readonly text: (index: number) => string;
}

function ranked(name: string, tensor: Tensor): RankedValues {
  const { dtype } = tensor;
  if (dtype === "BYTES" || !isDatatype(dtype) || !("data" in tensor)) {
    throw new InvalidRequestError(
      `output "${cutText(name, 80)}" is ${dtype}; only numbers can be classified`,
      { field: name },
    );
  }
  if (isFloat(dtype)) {
    const values = dtype === "FP64" ? doubles(tensor.data) : floatValues(tensor);
    return { values, text: (index) => fixedText(values[index] as number) };
  }
  const { data } = tensor;
  const size = bytesPerElement[dtype];
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const values = Array.from({ length: data.byteLength / size }, (_, index) =>
    integerReaders[dtype](view, index * size),
  );
  return { values, text: (index) => String(values[index]) };
}

function doubles(data: Uint8Array): Float64Array {
  // The bytes of a message lie at any offset: a copy is aligned.
  return new Float64Array(new Uint8Array(data).buffer);
}

/** From here on `toFixed` has an exponent; such numbers are integers. */
const maxFixed = 1e21;

/** Six decimals, as C's `%f`. */
function fixedText(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value < 0 ? "-inf" : "inf";
  return Math.abs(value) < maxFixed ? value.toFixed(6) : `${BigInt(value)}.000000`;
}
