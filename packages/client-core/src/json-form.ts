import { floatValues, isFloat, shortestFloat32, type Tensor } from "@tensorgate/core";

/** A tensor for JSON. */
export interface TensorOutputJson {
  readonly dtype: string;
  readonly shape: readonly number[];
  /**
   * Row-major: numbers, NaN and infinities by name, integers of 64 bits as decimals, BYTES in base64, BOOL as
   * booleans; one text in base64 for a type that JavaScript has no numbers for.
   * @see Protocol Buffers, "ProtoJSON Format"
   */
  readonly data: readonly (number | string | boolean)[] | string;
}

/** Adds a `toJSON` that no loop and no copy shows. */
export function withJson<Value extends object, Json>(
  value: Value,
  toJson: () => Json,
): Value & { toJSON(): Json } {
  return Object.defineProperty(value, "toJSON", { value: toJson }) as Value & { toJSON(): Json };
}

/** Gives features the form of a plain list in JSON, with the shortest decimals that read back as the same floats. */
export function withListJson(features: Float32Array): Float32Array {
  return withJson(features, () => jsonNumbers(features, shortestFloat32));
}

/** @param values - `tensor.data` by its type */
export function tensorJson(
  tensor: Tensor,
  values: ArrayLike<number | bigint> | undefined,
): TensorOutputJson {
  const { dtype, shape } = tensor;
  if (tensor.dtype === "BYTES") return { dtype, shape, data: tensor.elements.map(base64) };
  if (tensor.dtype === "BOOL") return { dtype, shape, data: Array.from(tensor.data, Boolean) };
  if (tensor.dtype !== "FP64" && isFloat(tensor.dtype)) {
    return { dtype, shape, data: jsonNumbers(floatValues(tensor), shortestFloat32) };
  }
  const data = values ? jsonNumbers(values, (value) => value) : base64(tensor.data);
  return { dtype, shape, data };
}

function jsonNumbers(
  values: ArrayLike<number | bigint>,
  shorten: (value: number) => number,
): readonly (number | string)[] {
  return Array.from<number | bigint, number | string>(values, (value) =>
    Number.isFinite(value) ? shorten(value as number) : String(value),
  );
}

/** Most bytes that are passed as arguments of one call. */
const chunkBytes = 0x8000;

export function base64(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    text += String.fromCharCode(...bytes.subarray(at, at + chunkBytes));
  }
  return btoa(text);
}
