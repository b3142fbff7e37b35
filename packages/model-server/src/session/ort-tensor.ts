import {
  bytesTensor,
  type DType,
  type FixedSizeDType,
  fixedSizeTensor,
  type Tensor,
} from "@tensorgate/core";
import { grpcCode } from "@tensorgate/grpc";
import { ServingError } from "@tensorgate/tf-serving";

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

/**
 * Copies, since the buffer is transferred and a tensor may be a view of a received message.
 *
 * @param name - of the input, for messages
 * @throws ServingError if the engine cannot take the tensor
 */
export function ortTensorFromTensor(name: string, tensor: Tensor): OrtTensor {
  const { dtype, shape } = tensor;
  if (tensor.dtype === "BYTES") {
    const data = tensor.elements.map((bytes, index) => text(bytes, `${name}[${index}]`));
    return { type: "string", shape, data };
  }
  const type = ortTypeFromDType(dtype);
  if (!type || type === "string") {
    throw new ServingError(grpcCode.UNIMPLEMENTED, `input ${name}: the engine takes no ${dtype}`);
  }
  return { type, shape, data: new Uint8Array(tensor.data) };
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** ONNX Runtime's JavaScript API carries strings as text, and cuts one at its first NUL. */
function text(bytes: Uint8Array, place: string): string {
  if (!bytes.includes(0)) {
    try {
      return utf8.decode(bytes);
    } catch {
      // Said below.
    }
  }
  throw new ServingError(
    grpcCode.UNIMPLEMENTED,
    `input ${place}: the engine takes only UTF-8 text without NUL`,
  );
}

export function tensorFromOrtTensor(tensor: OrtTensor): Tensor {
  const { type, shape } = tensor;
  if (tensor.type === "string") {
    const encoder = new TextEncoder();
    return bytesTensor(
      shape,
      tensor.data.map((element) => encoder.encode(element)),
    );
  }
  const dtype = dtypeFromOrtType(type);
  if (!dtype || dtype === "BYTES") throw new TypeError(`a model gave a ${type}`);
  return fixedSizeTensor(dtype satisfies FixedSizeDType, shape, tensor.data);
}

/** The buffers that tensors are transferred with. */
export function buffersOf(tensors: Iterable<OrtTensor>): ArrayBuffer[] {
  return [...tensors].flatMap((tensor) => (tensor.type === "string" ? [] : [tensor.data.buffer]));
}
