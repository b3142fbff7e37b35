import { type DType, NotSupportedError } from "@tensorgate/core";

/** Datatypes of the protocol. BF16 is Triton's addition to the specification's table. */
export type Datatype = Extract<
  DType,
  | "BOOL"
  | "UINT8"
  | "UINT16"
  | "UINT32"
  | "UINT64"
  | "INT8"
  | "INT16"
  | "INT32"
  | "INT64"
  | "FP16"
  | "BF16"
  | "FP32"
  | "FP64"
  | "BYTES"
>;

const byName: Readonly<Record<Datatype, true>> = {
  BOOL: true,
  UINT8: true,
  UINT16: true,
  UINT32: true,
  UINT64: true,
  INT8: true,
  INT16: true,
  INT32: true,
  INT64: true,
  FP16: true,
  BF16: true,
  FP32: true,
  FP64: true,
  BYTES: true,
};

/** Whether the protocol has a name for an element type. Names are case-sensitive. */
export function isDatatype(name: string): name is Datatype {
  return Object.hasOwn(byName, name);
}

/**
 * The datatype of an output.
 *
 * @throws NotSupportedError if the protocol has no name for it
 */
export function outputDatatype(outputName: string, dtype: DType): Datatype {
  if (isDatatype(dtype)) return dtype;
  throw new NotSupportedError(
    `output "${outputName}" is ${dtype}, which the Open Inference Protocol does not have`,
    { field: outputName, hint: "call the model by TensorFlow Serving's API" },
  );
}
