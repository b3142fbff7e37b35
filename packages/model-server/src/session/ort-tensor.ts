import { type FixedSizeDType, type FixedSizeTensor, fixedSizeTensor } from "@tensorgate/core";

/** What crosses to the thread that runs the model: plain data, whose buffer is given away. */
export interface OrtTensor {
  readonly type: OrtType;
  readonly shape: readonly number[];
  readonly data: Uint8Array<ArrayBuffer>;
}

export type OrtType = (typeof ortTypes)[keyof typeof ortTypes];

/** ONNX Runtime's names of the element types that it takes. */
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
} as const;

const dtypeOf = new Map<string, FixedSizeDType>(
  Object.entries(ortTypes).map(([dtype, type]) => [type, dtype as keyof typeof ortTypes]),
);

/** @returns undefined for a type that ONNX Runtime does not take from JavaScript */
export function ortTypeFromDType(dtype: FixedSizeDType): OrtType | undefined {
  return dtype in ortTypes ? ortTypes[dtype as keyof typeof ortTypes] : undefined;
}

export function dtypeFromOrtType(type: string): FixedSizeDType | undefined {
  return dtypeOf.get(type);
}

/** Copies, since the buffer is given away and a tensor may be a view of a received message. */
export function ortTensorFromTensor(tensor: FixedSizeTensor): OrtTensor {
  const type = ortTypeFromDType(tensor.dtype);
  if (!type) throw new TypeError(`ONNX Runtime takes no ${tensor.dtype}`);
  return { type, shape: tensor.shape, data: new Uint8Array(tensor.data) };
}

export function tensorFromOrtTensor({ type, shape, data }: OrtTensor): FixedSizeTensor {
  const dtype = dtypeFromOrtType(type);
  if (!dtype) throw new TypeError(`a model gave a ${type}`);
  return fixedSizeTensor(dtype, shape, data);
}
