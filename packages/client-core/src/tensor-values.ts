import {
  bytesPerElement,
  elementCount,
  type FixedSizeDType,
  InvalidRequestError,
  type Tensor,
} from "@tensorgate/core";

/** Values of a tensor, row-major. */
export type TensorData =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array
  | readonly number[]
  | readonly string[]
  | readonly Uint8Array[];

export interface TensorInput {
  readonly data: TensorData;
  readonly shape: readonly number[];
  /** By the kind of array where it is absent; plain numbers are FP32. */
  readonly dtype?: string;
}

/** A tensor of an answer. */
export interface TensorOutput {
  readonly dtype: string;
  readonly shape: readonly number[];
  /** A typed array of that type; byte strings for BYTES; bytes for types that JavaScript has none for. */
  readonly data: TypedArray | readonly Uint8Array[];
}

interface ArrayOfDType {
  readonly FP32: Float32Array;
  readonly FP64: Float64Array;
  readonly INT8: Int8Array;
  readonly INT16: Int16Array;
  readonly INT32: Int32Array;
  readonly INT64: BigInt64Array;
  readonly UINT8: Uint8Array;
  readonly UINT16: Uint16Array;
  readonly UINT32: Uint32Array;
  readonly UINT64: BigUint64Array;
}

export type TypedArray = ArrayOfDType[keyof ArrayOfDType];

type MakeArray = new (buffer: ArrayBuffer) => TypedArray;

const arrays: ReadonlyMap<string, MakeArray> = /* @__PURE__ */ new Map<string, MakeArray>([
  ["FP32", Float32Array],
  ["FP64", Float64Array],
  ["INT8", Int8Array],
  ["INT16", Int16Array],
  ["INT32", Int32Array],
  ["INT64", BigInt64Array],
  ["UINT8", Uint8Array],
  ["UINT16", Uint16Array],
  ["UINT32", Uint32Array],
  ["UINT64", BigUint64Array],
]);

/** @throws InvalidRequestError if data, dtype and shape do not go together; names the input */
export function tensorFromInput(name: string, { data, shape, dtype }: TensorInput): Tensor {
  const refuse = (why: string): never => {
    throw new InvalidRequestError(`input "${name}": ${why}`, { field: `inputs["${name}"]` });
  };
  if (!shape.every((extent) => Number.isSafeInteger(extent) && extent >= 0)) {
    refuse(`shape [${shape}]`);
  }
  const count = elementCount(shape);
  if (data.length !== count) refuse(`shape [${shape}] needs ${count} values, got ${data.length}`);
  if (!ArrayBuffer.isView(data) && typeof data[0] !== "number" && count > 0) {
    const elements = (data as readonly (string | Uint8Array)[]).map((element) =>
      typeof element === "string" ? new TextEncoder().encode(element) : element,
    );
    return { dtype: "BYTES", shape, elements };
  }
  const { type, bytes } = numbersFrom(data as TypedArray | readonly number[], dtype, refuse);
  const size = bytesPerElement[type as FixedSizeDType] ?? refuse(`${type} is no type of numbers`);
  if (bytes.byteLength !== count * size) {
    refuse(`${type} of shape [${shape}] does not take ${bytes.byteLength} bytes`);
  }
  return { dtype: type as FixedSizeDType, shape, data: bytes };
}

function numbersFrom(
  data: TypedArray | readonly number[],
  dtype: string | undefined,
  refuse: (why: string) => never,
): { readonly type: string; readonly bytes: Uint8Array } {
  if (ArrayBuffer.isView(data)) {
    const own = [...arrays].find(([, array]) => data.constructor === array)?.[0];
    // A Buffer is a Uint8Array of a class of its own.
    const type = dtype ?? own ?? "UINT8";
    return { type, bytes: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) };
  }
  const type = dtype ?? "FP32";
  const array = arrays.get(type);
  const size = bytesPerElement[type as FixedSizeDType];
  if (!array) return refuse(`plain numbers cannot be ${type}; give a Uint8Array of its bytes`);
  const values = new array(new ArrayBuffer(data.length * size));
  data.forEach((value, at) => {
    values[at] =
      values instanceof BigInt64Array || values instanceof BigUint64Array ? BigInt(value) : value;
  });
  return { type, bytes: new Uint8Array(values.buffer) };
}

/** What a caller gets of a tensor. */
export function outputFromTensor(tensor: Tensor): TensorOutput {
  const { dtype, shape } = tensor;
  if (tensor.dtype === "BYTES") return { dtype, shape, data: tensor.elements };
  const array = arrays.get(dtype) ?? Uint8Array;
  // Copied, since a typed array has to begin at a multiple of its element's size.
  return { dtype, shape, data: new array(new Uint8Array(tensor.data).buffer) };
}
