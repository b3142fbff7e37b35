import {
  elementCount,
  type FixedSizeTensor,
  floatValues,
  isFloat,
  type Tensor,
  UpstreamFailedError,
} from "@tensorgate/core";

/** Readers of little-endian integers, by the types that detectors give class numbers and counts in. */
const readers: Readonly<Record<string, (view: DataView, at: number) => number>> = {
  INT8: (view, at) => view.getInt8(at),
  UINT8: (view, at) => view.getUint8(at),
  INT16: (view, at) => view.getInt16(at * 2, true),
  INT32: (view, at) => view.getInt32(at * 4, true),
  UINT32: (view, at) => view.getUint32(at * 4, true),
  INT64: (view, at) => Number(view.getBigInt64(at * 8, true)),
};

/**
 * Reads the numbers of an output, whatever type they have. FP32 is viewed; other types are copied.
 *
 * @throws UpstreamFailedError if they are no numbers of a usual type
 */
export function numericValues(name: string, tensor: Tensor): Float32Array {
  if (isFloat(tensor.dtype)) return floatValues(tensor);
  const read = readers[tensor.dtype];
  if (!read || tensor.dtype === "BYTES") {
    throw new UpstreamFailedError(
      `output "${name}" is ${tensor.dtype}; a detector's outputs are floating-point numbers or integers`,
    );
  }
  const { data, shape }: FixedSizeTensor = tensor;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const values = new Float32Array(elementCount(shape));
  for (let at = 0; at < values.length; at += 1) values[at] = read(view, at);
  return values;
}

/**
 * Checks that values are finite.
 *
 * @throws UpstreamFailedError that names the output and the first value that is not
 */
export function assertFinite(name: string, values: Float32Array): void {
  // By the bits: NaN and infinity have every bit of the exponent set, so that one more carries into the sign. A test of
  // each of a million floats takes several times as long.
  const bits = new Int32Array(values.buffer, values.byteOffset, values.length);
  let carried = 0;
  for (let at = 0; at < bits.length; at += 1) {
    carried |= ((bits[at] as number) & 0x7fffffff) + 0x00800000;
  }
  if (carried >= 0) return;
  const at = values.findIndex((value) => !Number.isFinite(value));
  throw new UpstreamFailedError(`output "${name}" contains ${values[at]} at index ${at}`);
}
