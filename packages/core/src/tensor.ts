import { bytesPerElement, type DType, type FixedSizeDType } from "./dtype.ts";
import { float16Values } from "./float16.ts";

/** Row-major (C order) values of a fixed size. Immutable: stages share it, and `data` may view a received buffer. */
export interface FixedSizeTensor {
  readonly dtype: FixedSizeDType;
  /** Extent of each axis, outermost first: `[batch, height, width, channel]` for images. */
  readonly shape: readonly number[];
  /** Little-endian; exactly `shape` multiplied out, times `bytesPerElement[dtype]`, long. */
  readonly data: Uint8Array;
}

/** Byte strings of any length: encoded pictures, labels. */
export interface BytesTensor {
  readonly dtype: "BYTES";
  readonly shape: readonly number[];
  /** Row-major; exactly `shape` multiplied out of them. */
  readonly elements: readonly Uint8Array[];
}

export type Tensor = FixedSizeTensor | BytesTensor;

/** Returns the number of elements of a tensor of `shape`; 1 for a scalar (`[]`). */
export function elementCount(shape: readonly number[]): number {
  let count = 1;
  for (const extent of shape) count *= extent;
  return count;
}

/**
 * Views or copies FP32 elements as a `Float32Array`.
 *
 * It is a view where the data are aligned to 4 bytes, a copy where they are not: a message received
 * in one buffer puts its tensors at any offset.
 *
 * @throws TypeError if the tensor is not FP32
 */
export function float32Values(tensor: Tensor): Float32Array {
  if (tensor.dtype !== "FP32") throw new TypeError(`expected an FP32 tensor, got ${tensor.dtype}`);
  const { data } = tensor;
  const isAligned = data.byteOffset % Float32Array.BYTES_PER_ELEMENT === 0;
  // Not `slice`: a Buffer is a Uint8Array too, and its `slice` is a view.
  const bytes = isAligned ? data : new Uint8Array(data);
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
}

/** Whether the elements of a tensor are floating-point numbers that `floatValues` reads. */
export function isFloat(dtype: DType): dtype is "FP16" | "BF16" | "FP32" | "FP64" {
  return dtype === "FP32" || dtype === "FP16" || dtype === "BF16" || dtype === "FP64";
}

/**
 * Reads the elements of a tensor of floating-point numbers of any size: FP32 as `float32Values` does, others converted,
 * FP64 to the nearest float32.
 *
 * @throws TypeError if its elements are not floating-point numbers
 */
export function floatValues(tensor: Tensor): Float32Array {
  if (tensor.dtype === "FP32") return float32Values(tensor);
  if (!isFloat(tensor.dtype) || !("data" in tensor)) {
    throw new TypeError(`expected a tensor of floating-point numbers, got ${tensor.dtype}`);
  }
  const { dtype, data } = tensor;
  if (dtype === "FP16") return float16Values(data);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const values = new Float32Array(data.byteLength / bytesPerElement[dtype]);
  if (dtype === "FP64") {
    for (let at = 0; at < values.length; at += 1) values[at] = view.getFloat64(at * 8, true);
    return values;
  }
  // BF16 is the upper half of FP32.
  const bits = new Uint32Array(values.buffer);
  for (let at = 0; at < bits.length; at += 1) bits[at] = view.getUint16(at * 2, true) << 16;
  return values;
}

/** FP32 tensor over the bytes of `values`, without copying them. */
export function float32Tensor(shape: readonly number[], values: Float32Array): FixedSizeTensor {
  return fixedSizeTensor(
    "FP32",
    shape,
    new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  );
}

/** @throws RangeError if `data` is not exactly as long as `dtype` and `shape` say */
export function fixedSizeTensor(
  dtype: FixedSizeDType,
  shape: readonly number[],
  data: Uint8Array,
): FixedSizeTensor {
  const byteCount = elementCount(shape) * bytesPerElement[dtype];
  if (data.byteLength !== byteCount) {
    throw new RangeError(
      `${dtype} of shape [${shape}] needs ${byteCount} bytes, got ${data.byteLength}`,
    );
  }
  return { dtype, shape, data };
}

/** @throws RangeError if there are not exactly as many `elements` as `shape` says */
export function bytesTensor(
  shape: readonly number[],
  elements: readonly Uint8Array[],
): BytesTensor {
  const count = elementCount(shape);
  if (elements.length !== count) {
    throw new RangeError(`shape [${shape}] needs ${count} elements, got ${elements.length}`);
  }
  return { dtype: "BYTES", shape, elements };
}

/**
 * Returns the number with the shortest text that reads back as the same float32: 0.1 rather than 0.10000000149011612.
 *
 * @param value - rounded to a float32 first; what is not finite comes back as it is
 */
export function shortestFloat32(value: number): number {
  const rounded = Math.fround(value);
  // A negative zero would lose its sign as text.
  if (!Number.isFinite(rounded) || rounded === 0) return rounded;
  // Up to six digits read back whatever they are, so that six of them end in zeros where fewer would do.
  const size = Math.abs(rounded);
  if (size >= minScaled && size < maxScaled) return Math.sign(rounded) * shortestScaled(size);
  const fewest = size < smallestNormal ? 1 : 6;
  for (let digits = fewest; digits < 9; digits += 1) {
    const shorter = Number(rounded.toPrecision(digits));
    if (Math.fround(shorter) === rounded) return shorter;
  }
  return Number(rounded.toPrecision(9));
}

/**
 * Where the digits can be found by arithmetic, which takes a twentieth of the time of texts. The factors are at most
 * 10^12, whose product with a float32 is exact, so that rounding it gives the digits that `toPrecision` gives.
 */
const minScaled = 1e-4;
const maxScaled = 1e6;

/** @param value - a float32 from `minScaled` to `maxScaled` */
function shortestScaled(value: number): number {
  let factor = 1;
  while (value * factor < 1e5) factor *= 10;
  for (let digits = 6; digits < 9; digits += 1) {
    const shorter = Math.round(value * factor) / factor;
    if (Math.fround(shorter) === value) return shorter;
    factor *= 10;
  }
  return Math.round(value * factor) / factor;
}

/** Smaller ones have fewer digits than the others. */
const smallestNormal = 2 ** -126;
