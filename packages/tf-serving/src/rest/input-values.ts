import { bytesTensor, type DType, fixedSizeTensor, type Tensor } from "@tensorgate/core";
import { dataTypes } from "../data-type.ts";
import type { JsonDocument } from "../json/json-document.ts";
import { jsonKind } from "../json/json-nodes.ts";
import { numberFlag } from "../json/json-number.ts";
import { doubleFrom, integerFrom } from "../json/json-number-text.ts";
import { jsonText, kindName, numberText } from "../json/json-text.ts";
import { invalidArgument, unimplemented } from "../serving-error.ts";
import { base64Bytes } from "./base64.ts";

type Values =
  | Float32Array
  | Float64Array
  | Int32Array
  | Int16Array
  | Int8Array
  | Uint8Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

/** How the values of a type are read from JSON. */
interface NumericType {
  readonly dtype: Exclude<DType, "BYTES">;
  readonly make: (length: number) => Values;
  /** What a value must be; `exact` ones are integers of 64 bits. */
  readonly takes: "numbers" | "integers" | "exact";
  readonly min?: bigint;
  readonly max?: bigint;
}

const int32 = { takes: "integers", min: -(2n ** 31n), max: 2n ** 31n - 1n } as const;

/** By TensorFlow's own names. The narrow integers take all of int32, and wrap, as the original has it. */
const numericTypes: ReadonlyMap<string, NumericType> = new Map<string, NumericType>([
  ["float", { dtype: "FP32", make: (length) => new Float32Array(length), takes: "numbers" }],
  ["double", { dtype: "FP64", make: (length) => new Float64Array(length), takes: "numbers" }],
  ["int32", { dtype: "INT32", make: (length) => new Int32Array(length), ...int32 }],
  ["int16", { dtype: "INT16", make: (length) => new Int16Array(length), ...int32 }],
  ["int8", { dtype: "INT8", make: (length) => new Int8Array(length), ...int32 }],
  ["uint8", { dtype: "UINT8", make: (length) => new Uint8Array(length), ...int32 }],
  [
    "uint32",
    {
      dtype: "UINT32",
      make: (length) => new Uint32Array(length),
      takes: "integers",
      min: 0n,
      max: 2n ** 32n - 1n,
    },
  ],
  [
    "int64",
    {
      dtype: "INT64",
      make: (length) => new BigInt64Array(length),
      takes: "exact",
      min: -(2n ** 63n),
      max: 2n ** 63n - 1n,
    },
  ],
  [
    "uint64",
    {
      dtype: "UINT64",
      make: (length) => new BigUint64Array(length),
      takes: "exact",
      min: 0n,
      max: 2n ** 64n - 1n,
    },
  ],
]);

/** Collects the values of one input, in the order in which they stand in the text. */
export interface InputValues {
  count(): number;
  /**
   * Adds a value that is no list, or all of a regular list of numbers.
   *
   * @throws ServingError in the original's words if one cannot be of the input's type
   */
  add(document: JsonDocument, node: number): void;
  /** What was added, in this shape; surplus values are dropped. */
  tensor(shape: readonly number[]): Tensor;
}

/** Begins to collect the values of an input, by its name. */
export type Collectors = ReadonlyMap<string, () => InputValues>;

/**
 * @param types - TensorFlow's name of the type of each input, such as `float` or `string`
 * @param pictureInputs - inputs that take strings too, if the first value is one
 */
export function inputCollectors(
  types: ReadonlyMap<string, string>,
  pictureInputs: ReadonlySet<string>,
): Collectors {
  const create = (name: string) => (pictureInputs.has(name) ? createPictureValues : createValues);
  return new Map([...types].map(([name, typeName]) => [name, () => create(name)(typeName)]));
}

function createValues(typeName: string): InputValues {
  if (typeName === "string") return createStrings();
  const numeric = numericTypes.get(typeName);
  if (numeric) return createNumbers(typeName, numeric);
  return typeName === "bool" ? createBooleans() : createUnsupported(typeName);
}

/** Collects encoded pictures, as strings or base64, if the first value is one, and else values of the type. */
function createPictureValues(typeName: string): InputValues {
  let values: InputValues | undefined;
  return {
    count: () => values?.count() ?? 0,
    add: (document, node) => {
      const kind = document.kind(node);
      const isString = kind === jsonKind.string || kind === jsonKind.object;
      values ??= createValues(isString ? "string" : typeName);
      values.add(document, node);
    },
    tensor: (shape) => (values ?? createValues(typeName)).tensor(shape),
  };
}

function typeError(document: JsonDocument, node: number, typeName: string): Error {
  const kind = document.kind(node) === jsonKind.numbers ? "Number" : kindName(document, node);
  return invalidArgument(
    `JSON Value: ${valueText(document, node)} Type: ${kind} is not of expected type: ${typeName}`,
  );
}

/** Of a list of numbers the first one, which is where its trouble begins. */
function valueText(document: JsonDocument, node: number): string {
  if (document.kind(node) !== jsonKind.numbers) return jsonText(document, node);
  for (const text of document.numberTexts(node)) return numberText(text);
  return "";
}

function createNumbers(typeName: string, { dtype, make, takes, min = 0n, max = 0n }: NumericType) {
  let values = make(0);
  let count = 0;
  const [minValue, maxValue] = [Number(min), Number(max)];

  function reserve(more: number): void {
    if (count + more <= values.length) return;
    const larger = make(Math.max(values.length * 2, count + more));
    larger.set(values as never);
    values = larger;
  }

  /** The slow way, for what its double does not tell. */
  function addTexts(document: JsonDocument, node: number): void {
    for (const text of document.numberTexts(node)) {
      const integer = takes === "numbers" ? undefined : integerFrom(text);
      if (takes === "numbers") values[count] = doubleFrom(text);
      else if (integer === undefined || integer < min || integer > max) {
        throw invalidArgument(
          `JSON Value: ${numberText(text)} Type: Number is not of expected type: ${typeName}`,
        );
      } else values[count] = takes === "exact" ? integer : Number(integer);
      count += 1;
    }
  }

  return {
    count: () => count,
    add: (document: JsonDocument, node: number) => {
      const kind = document.kind(node);
      if (kind !== jsonKind.number && kind !== jsonKind.numbers) {
        throw typeError(document, node, typeName);
      }
      const run = document.numbers(node);
      const added = run.length;
      const flags = document.flags(node);
      reserve(added);
      if (takes === "numbers") {
        if (dtype === "FP64" && (flags & numberFlag.wide) !== 0) {
          addTexts(document, node);
          return;
        }
        (values as Float32Array | Float64Array).set(run, count);
        count += added;
        return;
      }
      const isPlain = (flags & (numberFlag.double | numberFlag.wide)) === 0;
      if (!isPlain || !areWithin(run, minValue, maxValue)) {
        addTexts(document, node);
        return;
      }
      if (takes === "integers") (values as Int32Array).set(run, count);
      else for (let at = 0; at < added; at += 1) values[count + at] = BigInt(run[at] as number);
      count += added;
    },
    tensor: (shape: readonly number[]) => fixed(dtype, shape, values),
  };
}

/** A plain loop: it runs for each of a hundred thousand values. V8 checks the buffer whenever the length is read. */
function areWithin(values: Float64Array, min: number, max: number): boolean {
  const { length } = values;
  for (let at = 0; at < length; at += 1) {
    const value = values[at] as number;
    if (value < min || value > max) return false;
  }
  return true;
}

function createBooleans(): InputValues {
  let values = new Uint8Array(16);
  let count = 0;
  return {
    count: () => count,
    add: (document, node) => {
      const kind = document.kind(node);
      if (kind !== jsonKind.true && kind !== jsonKind.false)
        throw typeError(document, node, "bool");
      if (count === values.length) {
        const larger = new Uint8Array(count * 2);
        larger.set(values);
        values = larger;
      }
      values[count] = kind === jsonKind.true ? 1 : 0;
      count += 1;
    },
    tensor: (shape) => fixed("BOOL", shape, values),
  };
}

function createStrings(): InputValues {
  const values: Uint8Array[] = [];
  return {
    count: () => values.length,
    add: (document, node) => {
      const kind = document.kind(node);
      if (kind === jsonKind.string) values.push(document.string(node));
      else if (kind === jsonKind.object) values.push(bytesFromObject(document, node));
      else throw typeError(document, node, "string");
    },
    tensor: (shape) => bytesTensor(shape, values.slice(0, product(shape))),
  };
}

function createUnsupported(typeName: string): InputValues {
  return {
    count: () => 0,
    add: (document, node) => {
      if (document.kind(node) === jsonKind.object) throw typeError(document, node, typeName);
      const text = valueText(document, node);
      throw unimplemented(`Conversion of JSON Value: ${text} to type: ${typeName}`);
    },
    // There is an empty tensor of every type.
    tensor: (shape) => fixedSizeTensor(emptyDType(typeName), shape, new Uint8Array(product(shape))),
  };
}

function emptyDType(typeName: string): Exclude<DType, "BYTES"> {
  const known = Object.entries(dataTypes).find(([, { name }]) => name === typeName);
  return (known?.[0] ?? "UINT8") as Exclude<DType, "BYTES">;
}

/** Whether a node is `{"b64": "..."}` and nothing else. */
export function isBase64Object(document: JsonDocument, node: number): boolean {
  if (document.kind(node) !== jsonKind.object || document.count(node) !== 1) return false;
  const value = document.member(node, "b64");
  return value !== undefined && document.kind(value) === jsonKind.string;
}

/** @throws ServingError if an object is not base64 as it must be */
export function bytesFromObject(document: JsonDocument, node: number): Uint8Array {
  if (!isBase64Object(document, node)) {
    throw invalidArgument(
      `JSON Value: ${jsonText(document, node)} not formatted correctly for base64 data`,
    );
  }
  const bytes = base64Bytes(document.string(node + 2));
  if (!bytes) throw invalidArgument("Unable to base64 decode");
  return bytes;
}

const product = (shape: readonly number[]) => shape.reduce((all, extent) => all * extent, 1);

function fixed(dtype: Exclude<DType, "BYTES">, shape: readonly number[], values: Values): Tensor {
  const { buffer, byteOffset, BYTES_PER_ELEMENT } = values;
  const data = new Uint8Array(buffer, byteOffset, product(shape) * BYTES_PER_ELEMENT);
  return fixedSizeTensor(dtype, shape, data);
}
