import {
  bytesPerElement,
  bytesTensor,
  elementCount,
  fieldTag,
  fixedSizeTensor,
  InvalidRequestError,
  MessageReader,
  type Tensor,
  type WorkBudget,
  wireType,
} from "@tensorgate/core";
import type { Datatype } from "./datatype.ts";
import { type TensorHead, tensorTitle } from "./tensor-bytes.ts";

/** Datatypes that contents hold: FP16 and BF16 exist as raw bytes only. */
export type ContentsType = Exclude<Datatype, "FP16" | "BF16">;

/** Field of `inference.InferTensorContents` that holds the values of a datatype. */
export const contentsField: Readonly<Record<ContentsType, number>> = {
  BOOL: 1,
  INT8: 2,
  INT16: 2,
  INT32: 2,
  INT64: 3,
  UINT8: 4,
  UINT16: 4,
  UINT32: 4,
  UINT64: 5,
  FP32: 6,
  FP64: 7,
  BYTES: 8,
};

/**
 * Reads a tensor from `InferTensorContents`, packed or not. Elements of BYTES are views of the message.
 *
 * @param budget - charged one element for each value
 * @throws InvalidRequestError if values are in the field of another datatype, do not fit the datatype, or their count is
 *   not that of the shape; MalformedMessageError; TooLargeError where the budget ends
 */
export function tensorFromContents(
  head: TensorHead,
  contents: Uint8Array,
  budget: WorkBudget,
): Tensor {
  const { name, datatype, shape } = head;
  if (datatype === "FP16" || datatype === "BF16") {
    throw new InvalidRequestError(
      `${tensorTitle(head)} is ${datatype}, which has no field in contents; send it in raw_input_contents`,
      { field: name },
    );
  }
  const field = contentsField[datatype];
  const values: Uint8Array[] = [];
  const integers: bigint[] = [];
  const reader = new MessageReader(contents, budget);
  while (reader.next()) {
    const { tag } = reader;
    if (tag >>> 3 !== field) {
      throw new InvalidRequestError(
        `${tensorTitle(head)} is ${datatype}, but its contents are in field ${tag >>> 3} of InferTensorContents`,
        { field: name },
      );
    }
    if (tag === fieldTag(field, wireType.varint)) integers.push(reader.int64());
    else if (field <= lastIntegerField) readPacked(reader.bytes(), integers, budget);
    else values.push(reader.bytes());
  }
  if (datatype === "BYTES") {
    assertCount(head, values.length);
    return bytesTensor(shape, values);
  }
  if (datatype === "FP32" || datatype === "FP64") {
    const data = joinedBytes(values);
    budget.spend(Math.floor(data.byteLength / bytesPerElement[datatype]));
    assertCount(head, data.byteLength / bytesPerElement[datatype]);
    return fixedSizeTensor(datatype, shape, data);
  }
  assertCount(head, integers.length);
  return fixedSizeTensor(datatype, shape, integerBytes({ ...head, datatype }, integers));
}

/** Fields up to this one hold integers. */
const lastIntegerField = 5;

function readPacked(packed: Uint8Array, integers: bigint[], budget: WorkBudget): void {
  const reader = new MessageReader(packed);
  while (!reader.isAtEnd) {
    budget.spend();
    integers.push(reader.int64());
  }
}

/** Values that came one by one or in several packed fields; a view where they came in one. */
function joinedBytes(parts: readonly Uint8Array[]): Uint8Array {
  const [only] = parts;
  if (only && parts.length === 1) return only;
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.byteLength;
  }
  return whole;
}

function assertCount(head: TensorHead, count: number): void {
  const { name, shape } = head;
  if (count === elementCount(shape)) return;
  throw new InvalidRequestError(
    `${tensorTitle(head)} has ${count} values; shape [${shape}] needs ${elementCount(shape)}`,
    { field: name },
  );
}

type IntegerType = Exclude<ContentsType, "FP32" | "FP64" | "BYTES">;

function integerBytes(
  head: TensorHead & { readonly datatype: IntegerType },
  integers: readonly bigint[],
): Uint8Array {
  const { name, datatype } = head;
  const size = bytesPerElement[datatype];
  const bits = size * 8;
  const isSigned = datatype.startsWith("INT");
  const data = new Uint8Array(integers.length * size);
  const view = new DataView(data.buffer);
  for (const [index, value] of integers.entries()) {
    // uint64 and int64 fill all 64 bits of the wire, whose sign is a matter of reading.
    const stored = isSigned ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value);
    if (datatype === "BOOL") data[index] = Number(value !== 0n);
    else if (bits < 64 && stored !== value) {
      throw new InvalidRequestError(
        `value ${index} of ${tensorTitle(head)} is not ${datatype}: ${value}`,
        { field: name },
      );
    } else writeInteger(view, { at: index * size, size, value: stored });
  }
  return data;
}

function writeInteger(
  view: DataView,
  { at, size, value }: { readonly at: number; readonly size: number; readonly value: bigint },
): void {
  if (size === 8) view.setBigInt64(at, value, true);
  else if (size === 4) view.setInt32(at, Number(value), true);
  else if (size === 2) view.setInt16(at, Number(value), true);
  else view.setInt8(at, Number(value));
}
