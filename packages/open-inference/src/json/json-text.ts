import {
  bytesPerElement,
  cutText,
  elementCount,
  InvalidRequestError,
  shortestFloat32,
  type Tensor,
} from "@tensorgate/core";
import { isDatatype } from "../datatype.ts";

/** Values that are written together: about 16 KiB of text. */
const valuesPerPiece = 2_048;

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Writes the values of a tensor as the elements of a flat JSON array, without its brackets, in pieces of about 16 KiB; what
 * is not finite becomes null, which is all that JSON has for it.
 *
 * @throws InvalidRequestError if it has no JSON form: FP16, BF16, and BYTES that are not UTF-8
 */
export function* valuesJson(name: string, tensor: Tensor): Generator<string> {
  const textAt = textOf(name, tensor);
  const count = elementCount(tensor.shape);
  for (let start = 0; start < count; start += valuesPerPiece) {
    const end = Math.min(start + valuesPerPiece, count);
    const texts: string[] = [];
    for (let index = start; index < end; index += 1) texts.push(textAt(index));
    yield (start === 0 ? "" : ",") + texts.join(",");
  }
}

function textOf(name: string, tensor: Tensor): (index: number) => string {
  const { dtype } = tensor;
  if (dtype === "BYTES") {
    const { elements } = tensor;
    return (index) => JSON.stringify(utf8Text(name, elements[index] as Uint8Array));
  }
  if (!isDatatype(dtype) || dtype === "FP16" || dtype === "BF16") throw noJsonForm(name, dtype);
  const { data } = tensor;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const size = bytesPerElement[dtype];
  const read = readers[dtype];
  return (index) => read(view, index * size);
}

const readers = {
  BOOL: (view: DataView, at: number) => (view.getUint8(at) === 0 ? "false" : "true"),
  UINT8: (view: DataView, at: number) => String(view.getUint8(at)),
  UINT16: (view: DataView, at: number) => String(view.getUint16(at, true)),
  UINT32: (view: DataView, at: number) => String(view.getUint32(at, true)),
  UINT64: (view: DataView, at: number) => String(view.getBigUint64(at, true)),
  INT8: (view: DataView, at: number) => String(view.getInt8(at)),
  INT16: (view: DataView, at: number) => String(view.getInt16(at, true)),
  INT32: (view: DataView, at: number) => String(view.getInt32(at, true)),
  INT64: (view: DataView, at: number) => String(view.getBigInt64(at, true)),
  FP32: (view: DataView, at: number) => realText(shortestFloat32(view.getFloat32(at, true))),
  FP64: (view: DataView, at: number) => realText(view.getFloat64(at, true)),
} as const;

function realText(value: number): string {
  if (!Number.isFinite(value)) return "null";
  return Object.is(value, -0) ? "-0.0" : String(value);
}

function utf8Text(name: string, bytes: Uint8Array): string {
  try {
    return strictUtf8.decode(bytes);
  } catch (cause) {
    throw new InvalidRequestError(
      `output "${cutText(name, 80)}" has bytes that are not UTF-8; ask for it as binary data`,
      { field: name, hint: binaryHint, cause },
    );
  }
}

function noJsonForm(name: string, dtype: string): InvalidRequestError {
  return new InvalidRequestError(
    `output "${cutText(name, 80)}" is ${dtype}, which has no JSON form; ask for it as binary data`,
    { field: name, hint: binaryHint },
  );
}

const binaryHint = 'set "binary_data": true in the parameters of the output';
