import {
  bytesPerElement,
  type DType,
  elementCount,
  type FixedSizeDType,
  type FixedSizeTensor,
  float32Values,
  type Tensor,
} from "@tensorgate/core";

/** Element types whose constants are computed with: each fits into a number of JavaScript. */
export type NumberDType =
  | ("FP32" | "FP64" | "INT8" | "INT16" | "INT32" | "INT64")
  | ("UINT8" | "UINT16" | "UINT32" | "BOOL");

type NumberArray =
  | (Float32Array | Float64Array | Int8Array | Int16Array | Int32Array)
  | (Uint8Array | Uint16Array | Uint32Array);

const arrays: Readonly<
  Record<Exclude<NumberDType, "INT64">, new (buffer: ArrayBuffer) => NumberArray>
> = {
  FP32: Float32Array,
  FP64: Float64Array,
  INT8: Int8Array,
  INT16: Int16Array,
  INT32: Int32Array,
  UINT8: Uint8Array,
  UINT16: Uint16Array,
  UINT32: Uint32Array,
  BOOL: Uint8Array,
};

export function isNumberDType(dtype: DType): dtype is NumberDType {
  return dtype === "INT64" || dtype in arrays;
}

/**
 * Reads the elements of a constant.
 *
 * @returns undefined for other types than those of numbers, and for an INT64 that no number is exactly
 */
export function numbersOf(tensor: Tensor): ArrayLike<number> | undefined {
  const { dtype } = tensor;
  if (!("data" in tensor) || !isNumberDType(dtype)) return undefined;
  if (dtype === "FP32") return float32Values(tensor);
  // A copy is aligned.
  const buffer = new Uint8Array(tensor.data).buffer as ArrayBuffer;
  if (dtype !== "INT64") return new arrays[dtype](buffer);
  const values = Float64Array.from(new BigInt64Array(buffer), Number);
  return values.every(Number.isSafeInteger) ? values : undefined;
}

/** Makes a constant of numbers; of floats the nearest, of integers the low bits. */
export function tensorOfNumbers(
  dtype: NumberDType,
  shape: readonly number[],
  values: ArrayLike<number>,
): FixedSizeTensor {
  if (dtype === "INT64") {
    const data = new Uint8Array(BigInt64Array.from(Array.from(values), toBigInt).buffer);
    return { dtype, shape, data };
  }
  const array = new arrays[dtype](new ArrayBuffer(values.length * bytesPerElement[dtype]));
  array.set(values);
  return { dtype, shape, data: new Uint8Array(array.buffer as ArrayBuffer) };
}

const toBigInt = (value: number) => BigInt(Math.trunc(value));

/** Reorders the axes of a constant: axis i of the result is axis `order[i]`. */
export function permuted(tensor: FixedSizeTensor, order: readonly number[]): FixedSizeTensor {
  const { dtype, shape, data } = tensor;
  const size = bytesPerElement[dtype];
  const strides = stridesOf(shape);
  const to = order.map((axis) => shape[axis] as number);
  const steps = order.map((axis) => strides[axis] as number);
  const Units = size === 4 ? Uint32Array : size === 2 ? Uint16Array : undefined;
  const isAligned = Units && data.byteOffset % size === 0;
  const source = isAligned
    ? new Units(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength / size)
    : undefined;
  const result = new Uint8Array(data.byteLength);
  const target = source && Units ? new Units(result.buffer) : undefined;
  let done = 0;
  forEachOffset(to, steps, (from) => {
    if (source && target) target[done] = source[from] as number;
    else result.set(data.subarray(from * size, (from + 1) * size), done * size);
    done += 1;
  });
  return { dtype, shape: to, data: result };
}

export function reshaped<T extends Tensor>(tensor: T, shape: readonly number[]): T {
  return { ...tensor, shape };
}

export function stridesOf(shape: readonly number[]): readonly number[] {
  const strides = new Array<number>(shape.length).fill(1);
  for (let axis = shape.length - 2; axis >= 0; axis -= 1) {
    strides[axis] = (strides[axis + 1] as number) * (shape[axis + 1] as number);
  }
  return strides;
}

/** Calls back with the offset of each element of `shape`, in row-major order, where each axis has its own step. */
export function forEachOffset(
  shape: readonly number[],
  steps: readonly number[],
  visit: (offset: number) => void,
  start = 0,
): void {
  const count = elementCount(shape);
  const place = new Array<number>(shape.length).fill(0);
  let offset = start;
  for (let done = 0; done < count; done += 1) {
    visit(offset);
    for (let axis = shape.length - 1; axis >= 0; axis -= 1) {
      place[axis] = (place[axis] as number) + 1;
      offset += steps[axis] as number;
      if ((place[axis] as number) < (shape[axis] as number)) break;
      offset -= (steps[axis] as number) * (shape[axis] as number);
      place[axis] = 0;
    }
  }
}

/** The shape that two are broadcast to; -1 where it depends. Undefined if they cannot be. */
export function broadcastShape(
  a: readonly number[],
  b: readonly number[],
): readonly number[] | undefined {
  const rank = Math.max(a.length, b.length);
  const shape: number[] = [];
  for (let axis = 1; axis <= rank; axis += 1) {
    const [x, y] = [a[a.length - axis] ?? 1, b[b.length - axis] ?? 1];
    if (x === y || y === 1) shape.unshift(x);
    else if (x === 1) shape.unshift(y);
    else if (x === -1 || y === -1) shape.unshift(Math.max(x, y));
    else return undefined;
  }
  return shape;
}

/** The values of two constants, broadcast, through a function. */
export function combined(
  a: { readonly shape: readonly number[]; readonly values: ArrayLike<number> },
  b: { readonly shape: readonly number[]; readonly values: ArrayLike<number> },
  compute: (a: number, b: number) => number,
): { readonly shape: readonly number[]; readonly values: Float64Array } | undefined {
  const shape = broadcastShape(a.shape, b.shape);
  if (!shape) return undefined;
  const offsets = (from: readonly number[]) => {
    const steps = stridesOf(from).map((step, axis) => (from[axis] === 1 ? 0 : step));
    const all = new Uint32Array(elementCount(shape));
    let done = 0;
    const missing = new Array<number>(shape.length - from.length).fill(0);
    forEachOffset(shape, [...missing, ...steps], (offset) => {
      all[done] = offset;
      done += 1;
    });
    return all;
  };
  const [inA, inB] = [offsets(a.shape), offsets(b.shape)];
  const values = Float64Array.from(inA, (at, index) =>
    compute(a.values[at] as number, b.values[inB[index] as number] as number),
  );
  return { shape, values };
}

export type { FixedSizeDType };
