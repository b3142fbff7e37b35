import {
  bytesPerElement,
  cutText,
  elementCount,
  type FixedSizeDType,
  InvalidRequestError,
  type Tensor,
} from "@tensorgate/core";
import { argumentError, shown } from "./arguments.ts";
import { bytesFrom, classNameOf } from "./input-bytes.ts";
import { type TensorOutputJson, tensorJson, withJson } from "./json-form.ts";

/** Values of a tensor, row-major. */
export type TensorData =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint8ClampedArray
  | Uint16Array
  | Uint32Array
  | BigUint64Array
  | DataView
  | readonly number[]
  | readonly string[]
  | readonly Uint8Array[];

export interface TensorInput {
  readonly data: TensorData;
  readonly shape: readonly number[];
  /** By default the type of the typed array, or FP32 for plain numbers. */
  readonly dtype?: string;
}

/** A tensor of a response. */
export interface TensorOutput {
  readonly dtype: string;
  readonly shape: readonly number[];
  /** A typed array of the type; byte strings for BYTES; bytes for a type without an array in JavaScript. */
  readonly data: TypedArray | readonly Uint8Array[];
  /** Returns it for JSON, with the values as a list; not enumerable. */
  toJSON(): TensorOutputJson;
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

/** Most characters of a name that a message shows. */
const maxNameChars = 80;

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

type Refuse = (why: string) => never;

/**
 * Converts the inputs of a caller to tensors.
 *
 * @throws InvalidRequestError if they are not tensors by name
 */
export function tensorsFromInputs(
  inputs: Readonly<Record<string, TensorInput>>,
): readonly (readonly [name: string, tensor: Tensor])[] {
  if (classNameOf(inputs) !== "Object") {
    throw argumentError("inputs", "an object with tensors by their names", inputs);
  }
  return Object.entries(inputs).map(([name, input]) => [name, tensorFromInput(name, input)]);
}

/**
 * Converts the input of a caller to a tensor.
 *
 * @throws InvalidRequestError if data, dtype and shape do not go together; names the input
 */
export function tensorFromInput(name: string, input: TensorInput): Tensor {
  const shownName = cutText(name, maxNameChars);
  const { data, shape, dtype } = (input ?? {}) as Partial<TensorInput>;
  if (!Array.isArray(shape) || !(ArrayBuffer.isView(data) || Array.isArray(data))) {
    throw argumentError(`inputs.${shownName}`, "a tensor { dtype, shape, data }", input);
  }
  const refuse: Refuse = (why) => {
    throw new InvalidRequestError(`input "${shownName}": ${why}`, {
      field: `inputs["${shownName}"]`,
    });
  };
  if (!shape.every((extent) => Number.isSafeInteger(extent) && extent >= 0)) {
    refuse(`shape [${shape}] holds no whole numbers of 0 or more`);
  }
  const count = elementCount(shape);
  if (ArrayBuffer.isView(data)) return tensorFromView(data, { shape, dtype, count }, refuse);
  if (data.length !== count) refuse(`shape [${shape}] needs ${count} values, got ${data.length}`);
  if (typeof data[0] !== "number" && count > 0) {
    const elements = (data as readonly (string | Uint8Array)[]).map(
      (element, index) =>
        bytesFrom(typeof element === "string" ? new TextEncoder().encode(element) : element) ??
        refuse(`value ${index} is neither a text nor bytes`),
    );
    return { dtype: "BYTES", shape, elements };
  }
  return tensorFromNumbers(data as readonly number[], { shape, dtype, count }, refuse);
}

interface TensorLayout {
  readonly shape: readonly number[];
  readonly dtype: string | undefined;
  readonly count: number;
}

function tensorFromView(
  data: ArrayBufferView,
  { shape, dtype, count }: TensorLayout,
  refuse: Refuse,
): Tensor {
  const className = classNameOf(data);
  const [ofClass = "UINT8"] = [...arrays].find(([, { name }]) => name === className) ?? [];
  const type = dtype ?? ofClass;
  const byteCount = count * sizeOf(type, refuse);
  if (data.byteLength !== byteCount) {
    refuse(`${type} of shape [${shape}] needs ${byteCount} bytes, got ${data.byteLength}`);
  }
  const bytes = bytesFrom(data) ?? new Uint8Array();
  return { dtype: type as FixedSizeDType, shape, data: bytes };
}

function tensorFromNumbers(
  data: readonly number[],
  { shape, dtype: type = "FP32" }: TensorLayout,
  refuse: Refuse,
): Tensor {
  const size = sizeOf(type, refuse);
  const makeArray =
    arrays.get(type) ?? refuse(`numbers cannot be sent as ${type}; give a Uint8Array of its bytes`);
  const values = new makeArray(new ArrayBuffer(data.length * size));
  const isOfIntegers = !type.startsWith("FP");
  const isOfBigInts = values instanceof BigInt64Array || values instanceof BigUint64Array;
  data.forEach((value, at) => {
    if (typeof value !== "number") refuse(`value ${at} is not a number`);
    const isFraction = isOfIntegers && !Number.isInteger(value);
    if (!isFraction) values[at] = isOfBigInts ? BigInt(value) : value;
    // Typed arrays wrap what is out of range.
    if (isFraction || (isOfIntegers && Number(values[at]) !== value)) {
      refuse(`value ${at} is ${value}, which ${type} cannot hold`);
    }
  });
  return { dtype: type as FixedSizeDType, shape, data: new Uint8Array(values.buffer) };
}

function sizeOf(type: string, refuse: Refuse): number {
  if (Object.hasOwn(bytesPerElement, type)) return bytesPerElement[type as FixedSizeDType];
  const types = [...arrays.keys()].join(", ");
  return refuse(`dtype must be a type such as ${types}, or BYTES for texts, got ${shown(type)}`);
}

/** Converts a tensor to the output that a caller gets. */
export function outputFromTensor(tensor: Tensor): TensorOutput {
  const { dtype, shape } = tensor;
  if (tensor.dtype === "BYTES") {
    return withJson({ dtype, shape, data: tensor.elements }, () => tensorJson(tensor, undefined));
  }
  const array = arrays.get(dtype);
  // Copied, since a typed array must start at a multiple of its element size.
  const { buffer } = new Uint8Array(tensor.data);
  const values = array && new array(buffer);
  const data = values ?? new Uint8Array(buffer);
  return withJson({ dtype, shape, data }, () => tensorJson(tensor, values));
}
