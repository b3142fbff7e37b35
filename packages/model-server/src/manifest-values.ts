import {
  bytesTensor,
  type DType,
  elementCount,
  fixedSizeTensor,
  type Tensor,
} from "@tensorgate/core";

/** Types whose values a manifest can write. */
export const writtenDTypes = ["FP32", "FP64", "INT32", "INT64", "BOOL", "BYTES"] as const;

export type WrittenDType = (typeof writtenDTypes)[number];

/** Numbers, or texts; 64-bit integers as texts too. */
export type WrittenValues = readonly (number | string)[];

const arrays = {
  FP32: (values: readonly number[]) => Float32Array.from(values),
  FP64: (values: readonly number[]) => Float64Array.from(values),
  INT32: (values: readonly number[]) => Int32Array.from(values),
  BOOL: (values: readonly number[]) => Uint8Array.from(values),
} as const;

/**
 * Makes a tensor of the values that a manifest writes. If they are fewer than the shape says, the last one fills the
 * rest.
 *
 * @param shape - without open extents
 * @throws RangeError if there is no value, or a value is not of that type
 */
export function writtenTensor(
  dtype: WrittenDType,
  shape: readonly number[],
  values: WrittenValues,
): Tensor {
  const last = values.at(-1);
  if (last === undefined) throw new RangeError("values must not be empty");
  const all = Array.from({ length: elementCount(shape) }, (_, index) => values[index] ?? last);
  if (dtype === "BYTES") {
    return bytesTensor(
      shape,
      all.map((value) => new TextEncoder().encode(String(value))),
    );
  }
  const data = dtype === "INT64" ? BigInt64Array.from(all, BigInt) : arrays[dtype](all.map(Number));
  return fixedSizeTensor(dtype, shape, new Uint8Array(data.buffer));
}

/** Whether values of a type can be written. */
export function isWritten(dtype: DType): dtype is WrittenDType {
  return (writtenDTypes as readonly DType[]).includes(dtype);
}
