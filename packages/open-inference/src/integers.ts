import type { Datatype } from "./datatype.ts";

/** Datatypes whose values are integers; those of BOOL are 0 and 1. */
export type IntegerDatatype = Exclude<Datatype, "FP16" | "BF16" | "FP32" | "FP64" | "BYTES">;

type ReadInteger = (view: DataView, at: number) => number | bigint;

/** Reads one value of each, little-endian. */
export const integerReaders: Readonly<Record<IntegerDatatype, ReadInteger>> = {
  BOOL: (view: DataView, at: number) => view.getUint8(at),
  UINT8: (view: DataView, at: number) => view.getUint8(at),
  UINT16: (view: DataView, at: number) => view.getUint16(at, true),
  UINT32: (view: DataView, at: number) => view.getUint32(at, true),
  UINT64: (view: DataView, at: number) => view.getBigUint64(at, true),
  INT8: (view: DataView, at: number) => view.getInt8(at),
  INT16: (view: DataView, at: number) => view.getInt16(at, true),
  INT32: (view: DataView, at: number) => view.getInt32(at, true),
  INT64: (view: DataView, at: number) => view.getBigInt64(at, true),
};
