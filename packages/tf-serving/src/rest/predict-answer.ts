import {
  type BytesTensor,
  elementCount,
  type FixedSizeTensor,
  type Tensor,
} from "@tensorgate/core";
import { dataTypes } from "../data-type.ts";
import { JsonWriter } from "../json/json-writer.ts";
import { invalidArgument } from "../serving-error.ts";
import { base64Text } from "./base64.ts";
import { decimalText } from "./decimal-text.ts";

/** Name of the member that holds base64. */
const base64Key = new TextEncoder().encode("b64");
const utf8 = new TextEncoder();

/**
 * Writes the outputs of a model as the answer to `:predict`.
 *
 * @param format - `row` for a list with an element for each instance, `columnar` for whole tensors
 * @throws ServingError in the original's words, if JSON cannot hold them
 */
export function predictAnswerJson(
  outputs: ReadonlyMap<string, Tensor>,
  format: "row" | "columnar",
): Uint8Array {
  if (outputs.size === 0) throw invalidArgument("Cannot convert empty tensor map to JSON");
  const writer = new JsonWriter();
  writer.startObject();
  if (format === "row") writeRows(writer, outputs);
  else writeColumns(writer, outputs);
  writer.endObject();
  return writer.finish();
}

function writeColumns(writer: JsonWriter, outputs: ReadonlyMap<string, Tensor>): void {
  writer.string(utf8.encode("outputs"));
  const isNamed = outputs.size > 1;
  if (isNamed) writer.startObject();
  for (const [name, tensor] of outputs) {
    if (isNamed) writer.string(utf8.encode(name));
    createValueWriter(name, tensor, writer)(0);
  }
  if (isNamed) writer.endObject();
}

function writeRows(writer: JsonWriter, outputs: ReadonlyMap<string, Tensor>): void {
  let batch: number | undefined;
  for (const [name, { shape }] of outputs) {
    const [extent] = shape;
    if (extent === undefined) {
      throw invalidArgument(`Tensor name: ${name} has no shape information `);
    }
    batch ??= extent;
    if (extent === batch) continue;
    throw invalidArgument(
      `Tensor name: ${name} has inconsistent batch size: ${extent} expecting: ${batch}`,
    );
  }
  const isNamed = outputs.size > 1;
  const writers = [...outputs].map(([name, tensor]) => ({
    name: utf8.encode(name),
    write: createValueWriter(name, tensor, writer),
  }));
  writer.string(utf8.encode("predictions"));
  writer.startArray();
  for (let row = 0; row < (batch ?? 0); row += 1) {
    if (isNamed) writer.startObject();
    writer.isOnOneLine = true;
    for (const { name, write } of writers) {
      if (isNamed) writer.string(name);
      write(1);
    }
    writer.isOnOneLine = false;
    if (isNamed) writer.endObject();
  }
  writer.endArray();
}

/**
 * A function that writes the next values of a tensor, which are all that one index of the axes before `axis` leaves;
 * with axis 0 that is the whole tensor.
 */
function createValueWriter(
  name: string,
  tensor: Tensor,
  writer: JsonWriter,
): (axis: number) => void {
  const { shape } = tensor;
  const writeElement = elementWriter(name, tensor, writer);
  let next = 0;
  const write = (axis: number): void => {
    if (axis >= shape.length) {
      writeElement(next);
      next += 1;
      return;
    }
    writer.startArray();
    for (let left = shape[axis] ?? 0; left > 0; left -= 1) write(axis + 1);
    writer.endArray();
  };
  return write;
}

function elementWriter(name: string, tensor: Tensor, writer: JsonWriter): (index: number) => void {
  if (tensor.dtype === "BYTES") return bytesWriter(name, tensor, writer);
  const textOf = textReader(tensor);
  if (textOf) return (index) => writer.raw(textOf(index));
  return () => {
    throw invalidArgument(
      `Failed to write JSON value for tensor type: ${dataTypes[tensor.dtype].name}`,
    );
  };
}

function bytesWriter(name: string, { elements }: BytesTensor, writer: JsonWriter) {
  const isBase64 = name.endsWith("_bytes");
  return (index: number): void => {
    const bytes = elements[index] ?? new Uint8Array();
    if (!isBase64) {
      writer.string(bytes);
      return;
    }
    writer.startObject();
    writer.string(base64Key);
    writer.raw(`"${base64Text(bytes)}"`);
    writer.endObject();
  };
}

/** The texts of a tensor's elements; undefined for types that JSON is not written from. */
function textReader({ dtype, shape, data }: FixedSizeTensor) {
  const count = elementCount(shape);
  // A received message has its tensors at any offset.
  const { buffer } = new Uint8Array(data);
  switch (dtype) {
    case "FP32": {
      const values = new Float32Array(buffer, 0, count);
      return (index: number) => decimalText(values[index] ?? 0, "float");
    }
    case "FP64": {
      const values = new Float64Array(buffer, 0, count);
      return (index: number) => decimalText(values[index] ?? 0, "double");
    }
    case "BOOL":
      return (index: number) => String(data[index] !== 0);
    default: {
      const View = integerViews[dtype];
      if (!View) return undefined;
      const values = new View(buffer, 0, count);
      return (index: number) => String(values[index]);
    }
  }
}

const integerViews: Partial<
  Record<
    string,
    new (
      buffer: ArrayBuffer,
      offset: number,
      length: number,
    ) => ArrayLike<number | bigint>
  >
> = {
  INT32: Int32Array,
  INT16: Int16Array,
  INT8: Int8Array,
  UINT8: Uint8Array,
  UINT32: Uint32Array,
  INT64: BigInt64Array,
  UINT64: BigUint64Array,
};
