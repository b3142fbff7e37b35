import type { DType } from "@tensorgate/core";

interface DataType {
  /** Number on the wire. */
  readonly number: number;
  /** TensorFlow's own word for it in texts and REST. */
  readonly name: string;
}

/** TensorFlow's numbers and names of the element types. */
// biome-ignore format: reads as a table
export const dataTypes: Readonly<Record<DType, DataType>> = {
  FP32:               { number: 1,  name: "float" },
  FP64:               { number: 2,  name: "double" },
  INT32:              { number: 3,  name: "int32" },
  UINT8:              { number: 4,  name: "uint8" },
  INT16:              { number: 5,  name: "int16" },
  INT8:               { number: 6,  name: "int8" },
  BYTES:              { number: 7,  name: "string" },
  COMPLEX64:          { number: 8,  name: "complex64" },
  INT64:              { number: 9,  name: "int64" },
  BOOL:               { number: 10, name: "bool" },
  QINT8:              { number: 11, name: "qint8" },
  QUINT8:             { number: 12, name: "quint8" },
  QINT32:             { number: 13, name: "qint32" },
  BF16:               { number: 14, name: "bfloat16" },
  QINT16:             { number: 15, name: "qint16" },
  QUINT16:            { number: 16, name: "quint16" },
  UINT16:             { number: 17, name: "uint16" },
  COMPLEX128:         { number: 18, name: "complex128" },
  FP16:               { number: 19, name: "half" },
  UINT32:             { number: 22, name: "uint32" },
  UINT64:             { number: 23, name: "uint64" },
  FLOAT8_E5M2:        { number: 24, name: "float8_e5m2" },
  FLOAT8_E4M3FN:      { number: 25, name: "float8_e4m3fn" },
  FLOAT8_E4M3FNUZ:    { number: 26, name: "float8_e4m3fnuz" },
  FLOAT8_E4M3B11FNUZ: { number: 27, name: "float8_e4m3b11fnuz" },
  FLOAT8_E5M2FNUZ:    { number: 28, name: "float8_e5m2fnuz" },
  INT4:               { number: 29, name: "int4" },
  UINT4:              { number: 30, name: "uint4" },
};

/** Reference types, as signatures of old models have them, are numbered a hundred above. */
const referenceOffset = 100;

/** The types by their numbers, those of references too. One that has no size, or that we do not know, is not there. */
export const dtypeByNumber: ReadonlyMap<number, DType> = new Map(
  Object.entries(dataTypes).flatMap(([dtype, { number }]) => [
    [number, dtype as DType],
    [number + referenceOffset, dtype as DType],
  ]),
);
