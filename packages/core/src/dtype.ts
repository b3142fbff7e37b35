/**
 * Element types that a tensor can carry, with the bytes of one element.
 *
 * Spelled as the Open Inference Protocol spells them where it has a name; the others are
 * TensorFlow's names without `DT_`. Four-bit types occupy a byte per element, as in TensorFlow.
 * `BYTES` is not here: its elements have their own lengths.
 */
export const bytesPerElement = {
  BOOL: 1,
  UINT8: 1,
  UINT16: 2,
  UINT32: 4,
  UINT64: 8,
  INT8: 1,
  INT16: 2,
  INT32: 4,
  INT64: 8,
  FP16: 2,
  BF16: 2,
  FP32: 4,
  FP64: 8,
  COMPLEX64: 8,
  COMPLEX128: 16,
  QINT8: 1,
  QUINT8: 1,
  QINT16: 2,
  QUINT16: 2,
  QINT32: 4,
  FLOAT8_E5M2: 1,
  FLOAT8_E4M3FN: 1,
  FLOAT8_E4M3FNUZ: 1,
  FLOAT8_E4M3B11FNUZ: 1,
  FLOAT8_E5M2FNUZ: 1,
  INT4: 1,
  UINT4: 1,
} as const;

/** Element types of a fixed size. */
export type FixedSizeDType = keyof typeof bytesPerElement;

export type DType = FixedSizeDType | "BYTES";

/** Whether elements of `dtype` all have the same size. */
export function isFixedSize(dtype: DType): dtype is FixedSizeDType {
  return dtype !== "BYTES";
}
