import {
  type BytesTensor,
  elementCount,
  type FixedSizeTensor,
  type Tensor,
} from "@tensorgate/core";
import { dataTypes } from "../data-type.ts";
import { JsonWriter } from "../json/json-writer.ts";
import { invalidArgument } from "../serving-error.ts";
import { base64Letters } from "./base64.ts";
import { decimalText } from "./decimal-text.ts";

/** Name of the member that holds base64. */
const base64Key = new TextEncoder().encode("b64");
const utf8 = new TextEncoder();

/**
 * Writes the outputs of a model as the answer to `:predict`, piece by piece: a network may give millions of numbers.
 *
 * @param format - `row` for a list with an element for each instance, `columnar` for whole tensors
 * @throws ServingError in the original's words, before the first piece, if JSON cannot hold them
 */
export function predictAnswerJson(
  outputs: ReadonlyMap<string, Tensor>,
  format: "row" | "columnar",
): Generator<Uint8Array> {
  if (outputs.size === 0) throw invalidArgument("Cannot convert empty tensor map to JSON");
  const rowCount = format === "row" ? batchOf(outputs) : undefined;
  const writer = new JsonWriter();
  const values = [...outputs].map(([name, tensor]) => createValueWriter(name, tensor, writer));
  return rowCount === undefined
    ? columnPieces(writer, values)
    : rowPieces(writer, values, rowCount);
}

/** @throws ServingError if the outputs have no common number of rows */
function batchOf(outputs: ReadonlyMap<string, Tensor>): number {
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
  return batch ?? 0;
}

function* columnPieces(writer: JsonWriter, tensors: readonly ValueWriter[]): Generator<Uint8Array> {
  writer.startObject();
  writer.string(utf8.encode("outputs"));
  const isNamed = tensors.length > 1;
  if (isNamed) writer.startObject();
  for (const values of tensors) {
    if (isNamed) writer.string(values.name);
    values.begin(0);
    while (!values.write()) yield writer.take();
  }
  if (isNamed) writer.endObject();
  writer.endObject();
  yield writer.take();
}

function* rowPieces(
  writer: JsonWriter,
  tensors: readonly ValueWriter[],
  rowCount: number,
): Generator<Uint8Array> {
  const isNamed = tensors.length > 1;
  writer.startObject();
  writer.string(utf8.encode("predictions"));
  writer.startArray();
  for (let row = 0; row < rowCount; row += 1) {
    if (isNamed) writer.startObject();
    writer.isOnOneLine = true;
    for (const values of tensors) {
      if (isNamed) writer.string(values.name);
      values.begin(1);
      while (!values.write()) yield writer.take();
    }
    writer.isOnOneLine = false;
    if (isNamed) writer.endObject();
    if (writer.isFull) yield writer.take();
  }
  writer.endArray();
  writer.endObject();
  yield writer.take();
}

/** Writes the values of a tensor in their order, with the brackets of its axes. */
interface ValueWriter {
  readonly name: Uint8Array;
  /** Begins with the next values: all that one index of the axes before `axis` leaves; with axis 0, the whole tensor. */
  begin(axis: number): void;
  /** Writes until they end, or the writer is full. @returns whether they have ended */
  write(): boolean;
}

/** Arrays of a tensor without elements: a shape may ask for any number of them, in a reply of a few bytes. */
const maxEmptyArrays = 65_536;

function assertArrayCount(name: string, { shape }: Tensor): void {
  const emptyAxis = shape.indexOf(0);
  if (emptyAxis === -1 || elementCount(shape.slice(0, emptyAxis)) <= maxEmptyArrays) return;
  throw invalidArgument(`Tensor name: ${name} has more than ${maxEmptyArrays} empty arrays`);
}

function createValueWriter(name: string, tensor: Tensor, writer: JsonWriter): ValueWriter {
  const { shape } = tensor;
  assertArrayCount(name, tensor);
  const writeElement = elementWriter(name, tensor, writer);
  /** Elements, or arrays, that each of the open arrays still lacks, outermost first. */
  const left: number[] = [];
  let firstAxis = 0;
  let next = 0;
  let isBegun = false;

  /** Writes one element. @returns whether all of it is written */
  function element(): boolean {
    if (!writeElement(next)) return false;
    next += 1;
    return true;
  }

  function write(): boolean {
    const depth = shape.length - firstAxis;
    if (depth === 0) return element();
    while (!isBegun || left.length > 0) {
      isBegun = true;
      while (left.length < depth && left.at(-1) !== 0) {
        writer.startArray();
        left.push(shape[firstAxis + left.length] as number);
      }
      for (const last = left.length - 1; left.length === depth && left[last] !== 0; ) {
        if (writer.isFull || !element()) return false;
        left[last] = (left[last] as number) - 1;
      }
      while (left.at(-1) === 0) {
        writer.endArray();
        left.pop();
        const outer = left.length - 1;
        if (outer >= 0) left[outer] = (left[outer] as number) - 1;
      }
      if (writer.isFull && left.length > 0) return false;
    }
    return true;
  }

  return {
    name: utf8.encode(name),
    begin: (axis) => {
      firstAxis = axis;
      isBegun = false;
    },
    write,
  };
}

/** Writes an element, or as much of it as makes the writer full. @returns whether all of it is written */
type WriteElement = (index: number) => boolean;

/** @throws ServingError if the tensor has elements of a type that JSON is not written from */
function elementWriter(name: string, tensor: Tensor, writer: JsonWriter): WriteElement {
  if (tensor.dtype === "BYTES") {
    return name.endsWith("_bytes") ? base64Writer(tensor, writer) : textWriter(tensor, writer);
  }
  const textOf = textReader(tensor);
  if (!textOf && elementCount(tensor.shape) > 0) {
    throw invalidArgument(
      `Failed to write JSON value for tensor type: ${dataTypes[tensor.dtype].name}`,
    );
  }
  return (index) => {
    writer.raw(textOf?.(index) ?? "");
    return true;
  };
}

/** Bytes of a string that are written at a time; a multiple of three, as base64 needs it. */
const stringPartBytes = 12_288;

function textWriter({ elements }: BytesTensor, writer: JsonWriter): WriteElement {
  const parts = createParts(elements);
  return (index) => {
    const { bytes, isFirst, isLast } = parts(index);
    if (isFirst) writer.startString();
    writer.stringPart(bytes);
    if (isLast) writer.endString();
    return isLast;
  };
}

function base64Writer({ elements }: BytesTensor, writer: JsonWriter): WriteElement {
  const parts = createParts(elements);
  return (index) => {
    const { bytes, isFirst, isLast } = parts(index);
    if (isFirst) {
      writer.startObject();
      writer.string(base64Key);
      writer.startString();
    }
    writer.stringPart(base64Letters(bytes));
    if (isLast) {
      writer.endString();
      writer.endObject();
    }
    return isLast;
  };
}

/** Takes strings apart: each call gives the next part of the one at `index`. */
function createParts(elements: readonly Uint8Array[]) {
  let offset = 0;
  return (index: number) => {
    const whole = elements[index] ?? noBytes;
    const bytes = whole.subarray(offset, offset + stringPartBytes);
    const isFirst = offset === 0;
    const isLast = offset + bytes.byteLength === whole.byteLength;
    offset = isLast ? 0 : offset + bytes.byteLength;
    return { bytes, isFirst, isLast };
  };
}

const noBytes = new Uint8Array();

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
