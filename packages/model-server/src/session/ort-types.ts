import type { DType } from "@tensorgate/core";

// Read by the thread of each session, which therefore loads nothing but types from elsewhere.

/** What crosses to the thread that runs the model: plain data. */
export type OrtTensor = OrtNumbers | OrtStrings;

export interface OrtNumbers {
  readonly type: Exclude<OrtType, "string">;
  readonly shape: readonly number[];
  /** Its buffer is transferred. */
  readonly data: Uint8Array<ArrayBuffer>;
}

export interface OrtStrings {
  readonly type: "string";
  readonly shape: readonly number[];
  readonly data: readonly string[];
}

export type OrtType = (typeof ortTypes)[keyof typeof ortTypes];

/** ONNX Runtime's names of the element types that its JavaScript API takes. */
const ortTypes = {
  FP32: "float32",
  FP64: "float64",
  FP16: "float16",
  INT8: "int8",
  INT16: "int16",
  INT32: "int32",
  INT64: "int64",
  UINT8: "uint8",
  UINT16: "uint16",
  UINT32: "uint32",
  UINT64: "uint64",
  BOOL: "bool",
  BYTES: "string",
} as const;

const dtypeOf = new Map<string, DType>(
  Object.entries(ortTypes).map(([dtype, type]) => [type, dtype as keyof typeof ortTypes]),
);

/** @returns undefined for a type that cannot be sent or received */
export function dtypeFromOrtType(type: string): DType | undefined {
  return dtypeOf.get(type);
}

/** @returns undefined for a type that ONNX Runtime does not take from JavaScript */
export function ortTypeFromDType(dtype: DType): OrtType | undefined {
  return dtype in ortTypes ? ortTypes[dtype as keyof typeof ortTypes] : undefined;
}

/** The buffers that tensors are transferred with. */
export function buffersOf(tensors: Iterable<OrtTensor>): ArrayBuffer[] {
  return [...tensors].flatMap((tensor) => (tensor.type === "string" ? [] : [tensor.data.buffer]));
}
