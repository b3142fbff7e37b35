import type { FixedSizeDType } from "@tensorgate/core";

/** Field numbers of `tensorflow.TensorProto`. */
export const tensorProtoField = {
  dtype: 1,
  tensorShape: 2,
  tensorContent: 4,
  stringVal: 8,
} as const;

/** How the elements of a value field are laid out on the wire. */
export type ValueLayout = "varint" | "fixed32" | "fixed64" | "bytes";

export interface ValueField {
  readonly number: number;
  readonly layout: ValueLayout;
}

const intVal: ValueField = { number: 7, layout: "varint" };
const halfVal: ValueField = { number: 13, layout: "varint" };
const float8Val: ValueField = { number: 18, layout: "bytes" };

/** The `*_val` field that holds the elements of each type. A value in any other one is ignored. */
export const valueFields: Readonly<Record<FixedSizeDType, ValueField>> = {
  FP32: { number: 5, layout: "fixed32" },
  FP64: { number: 6, layout: "fixed64" },
  INT32: intVal,
  INT16: intVal,
  INT8: intVal,
  UINT8: intVal,
  UINT16: intVal,
  QINT8: intVal,
  QUINT8: intVal,
  QINT16: intVal,
  QUINT16: intVal,
  QINT32: intVal,
  INT4: intVal,
  UINT4: intVal,
  COMPLEX64: { number: 9, layout: "fixed32" },
  INT64: { number: 10, layout: "varint" },
  BOOL: { number: 11, layout: "varint" },
  COMPLEX128: { number: 12, layout: "fixed64" },
  FP16: halfVal,
  BF16: halfVal,
  UINT32: { number: 16, layout: "varint" },
  UINT64: { number: 17, layout: "varint" },
  FLOAT8_E5M2: float8Val,
  FLOAT8_E4M3FN: float8Val,
  FLOAT8_E4M3FNUZ: float8Val,
  FLOAT8_E4M3B11FNUZ: float8Val,
  FLOAT8_E5M2FNUZ: float8Val,
};

/** Types whose value field is int32 or int64: a negative one goes out as ten bytes. */
export const signedDTypes: ReadonlySet<FixedSizeDType> = new Set([
  "INT8",
  "INT16",
  "INT32",
  "INT64",
  "QINT8",
  "QINT16",
  "QINT32",
  "INT4",
]);
