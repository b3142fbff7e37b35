import {
  bytesTensor,
  cutText,
  elementCount,
  fixedSizeTensor,
  InvalidRequestError,
  type Tensor,
} from "@tensorgate/core";
import type { Datatype } from "../datatype.ts";
import type { TensorHead } from "../tensor-bytes.ts";

/** The `data` of one input as JSON has them. */
export interface JsonData {
  /** Nested or flat. */
  readonly values: unknown;
  /** Reads them again with integers beyond 2^53 as bigint. */
  readonly exact: () => unknown;
  /** Whether texts are base64: `content_type` of MLServer. */
  readonly isBase64: boolean;
}

type Values =
  | Uint8Array<ArrayBuffer>
  | Int8Array<ArrayBuffer>
  | Uint16Array<ArrayBuffer>
  | Int16Array<ArrayBuffer>
  | Uint32Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>
  | Float32Array<ArrayBuffer>
  | Float64Array<ArrayBuffer>;

/** Types whose values are JSON numbers that doubles hold exactly. */
type NumberType = Exclude<Datatype, "BOOL" | "BYTES" | "FP16" | "BF16" | "INT64" | "UINT64">;

const arrays: Readonly<Record<NumberType, (length: number) => Values>> = {
  UINT8: (length) => new Uint8Array(length),
  UINT16: (length) => new Uint16Array(length),
  UINT32: (length) => new Uint32Array(length),
  INT8: (length) => new Int8Array(length),
  INT16: (length) => new Int16Array(length),
  INT32: (length) => new Int32Array(length),
  FP32: (length) => new Float32Array(length),
  FP64: (length) => new Float64Array(length),
};

/**
 * Makes a tensor of JSON: nested or flat arrays, row-major, whose values must be of the datatype.
 *
 * BYTES are texts (UTF-8, or base64 by `content_type`) or objects `{"b64": "…"}`.
 *
 * @throws InvalidRequestError if a value is not of the datatype, their count is not that of the shape, or the datatype
 *   has no JSON form (FP16, BF16)
 */
export function tensorFromJson(head: TensorHead, data: JsonData): Tensor {
  const { name, datatype, shape } = head;
  if (datatype === "FP16" || datatype === "BF16") {
    throw new InvalidRequestError(
      `input "${cutText(name, 80)}" is ${datatype}, which has no JSON form; send it as binary data`,
      { field: name },
    );
  }
  const values = flat(head, data.values);
  const count = elementCount(shape);
  if (values.length !== count) {
    throw new InvalidRequestError(
      `input "${cutText(name, 80)}" has ${values.length} values; shape [${shape}] needs ${count}`,
      { field: name },
    );
  }
  switch (datatype) {
    case "BYTES":
      return bytesTensor(
        shape,
        values.map((value, index) => bytesOf(value, data.isBase64) ?? wrong(head, index, value)),
      );
    case "BOOL": {
      const bytes = Uint8Array.from(values, (value, index) =>
        typeof value === "boolean" ? Number(value) : wrong(head, index, value),
      );
      return fixedSizeTensor("BOOL", shape, bytes);
    }
    case "INT64":
    case "UINT64":
      return fixedSizeTensor(datatype, shape, wideIntegers(head, values, data));
    default: {
      const numbers = arrays[datatype](values.length);
      const isReal = datatype === "FP32" || datatype === "FP64";
      for (const [index, value] of values.entries()) {
        if (typeof value !== "number") wrong(head, index, value);
        numbers[index] = value as number;
        const stored = numbers[index] as number;
        // An integer that does not fit would wrap, a float become infinite.
        if (isReal ? !Number.isFinite(stored) : stored !== value) wrong(head, index, value);
      }
      return fixedSizeTensor(datatype, shape, new Uint8Array(numbers.buffer));
    }
  }
}

/** The values of nested arrays, in their order. Depth is bounded by the parser. */
function flat(head: TensorHead, data: unknown): readonly unknown[] {
  if (!Array.isArray(data)) {
    throw new InvalidRequestError(
      `the data of input "${cutText(head.name, 80)}" must be an array`,
      {
        field: head.name,
      },
    );
  }
  if (!data.some(Array.isArray)) return data;
  const values: unknown[] = [];
  const collect = (items: readonly unknown[]): void => {
    for (const item of items) {
      if (Array.isArray(item)) collect(item);
      else values.push(item);
    }
  };
  collect(data);
  return values;
}

const ranges = {
  INT64: { min: -(2n ** 63n), max: 2n ** 63n - 1n },
  UINT64: { min: 0n, max: 2n ** 64n - 1n },
} as const;

function wideIntegers(head: TensorHead, values: readonly unknown[], data: JsonData): Uint8Array {
  const { min, max } = ranges[head.datatype as keyof typeof ranges];
  // JSON.parse rounds beyond 2^53: only then the text is read again.
  const isExact = values.every((value) => typeof value !== "number" || Number.isSafeInteger(value));
  const exact = isExact ? values : flat(head, data.exact());
  const integers = new BigUint64Array(exact.length);
  for (const [index, value] of exact.entries()) {
    const isInteger = typeof value === "bigint" || Number.isSafeInteger(value);
    if (!isInteger) wrong(head, index, values[index]);
    const integer = BigInt(value as number | bigint);
    if (integer < min || integer > max) wrong(head, index, values[index]);
    integers[index] = integer;
  }
  return new Uint8Array(integers.buffer);
}

const utf8 = new TextEncoder();

/** @returns undefined for what is no text, or no base64 */
function bytesOf(value: unknown, isBase64: boolean): Uint8Array | undefined {
  if (typeof value === "string") return isBase64 ? bytesFromBase64(value) : utf8.encode(value);
  if (typeof value !== "object" || value === null) return undefined;
  const { b64 } = value as { readonly b64?: unknown };
  return typeof b64 === "string" ? bytesFromBase64(b64) : undefined;
}

/** @returns undefined unless it is all of the standard alphabet, with or without padding. @see RFC 4648, section 4 */
function bytesFromBase64(text: string): Uint8Array | undefined {
  const digits = text.replace(/={1,2}$/, "");
  const bytes = Buffer.from(text, "base64");
  // Node leaves out what is no digit, so that there are too few bytes; but it takes the alphabet for URLs as well, and
  // of characters beyond ASCII their lowest byte.
  const isWhole =
    digits.length % 4 !== 1 && bytes.byteLength === Math.floor((digits.length * 3) / 4);
  const isOther = /[-_]/.test(text) || Buffer.byteLength(text) > text.length;
  return isWhole && !isOther ? bytes : undefined;
}

function wrong({ name, datatype }: TensorHead, index: number, value: unknown): never {
  const kind = Array.isArray(value)
    ? "an array"
    : value === null
      ? "null"
      : cutText(String(value), 40);
  throw new InvalidRequestError(
    `value ${index} of input "${cutText(name, 80)}" is not ${datatype}: ${kind}`,
    { field: name },
  );
}
