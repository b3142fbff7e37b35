import {
  bytesPerElement,
  bytesTensor,
  elementCount,
  fieldTag,
  fixedSizeTensor,
  InvalidRequestError,
  joined,
  MessageReader,
  type Tensor,
  type WorkBudget,
  wireType,
} from "@tensorgate/core";
import type { Datatype } from "./datatype.ts";
import { bytesElementCost, type TensorHead, tensorTitle } from "./tensor-bytes.ts";

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
 * @param budget - charged one element for each value, and four for one of BYTES
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
  /** Lower and upper half of each integer. */
  const halves: number[] = [];
  const reader = new MessageReader(contents, budget);
  while (reader.next()) {
    const { tag } = reader;
    if (tag >>> 3 !== field) {
      throw new InvalidRequestError(
        `${tensorTitle(head)} is ${datatype}, but its contents are in field ${tag >>> 3} of InferTensorContents`,
        { field: name },
      );
    }
    if (tag === fieldTag(field, wireType.varint)) reader.pushInt64(halves);
    else if (field <= lastIntegerField) readPacked(reader.bytes(), halves, budget);
    else values.push(reader.bytes());
  }
  if (datatype === "BYTES") {
    budget.spend(values.length * (bytesElementCost - 1));
    assertCount(head, values.length);
    return bytesTensor(shape, values);
  }
  if (datatype === "FP32" || datatype === "FP64") {
    const data = joined(values);
    budget.spend(Math.floor(data.byteLength / bytesPerElement[datatype]));
    assertCount(head, data.byteLength / bytesPerElement[datatype]);
    return fixedSizeTensor(datatype, shape, data);
  }
  assertCount(head, halves.length / 2);
  return fixedSizeTensor(datatype, shape, integerBytes({ ...head, datatype }, halves));
}

/** Fields up to this one hold integers. */
const lastIntegerField = 5;

function readPacked(packed: Uint8Array, halves: number[], budget: WorkBudget): void {
  const reader = new MessageReader(packed);
  while (!reader.isAtEnd) {
    budget.spend();
    reader.pushInt64(halves);
  }
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
  halves: readonly number[],
): Uint8Array {
  const { datatype } = head;
  const size = bytesPerElement[datatype];
  const fits = fitters[datatype];
  const data = new Uint8Array((halves.length / 2) * size);
  const view = new DataView(data.buffer);
  for (let at = 0, index = 0; index < halves.length; at += size, index += 2) {
    const low = halves[index] as number;
    const high = halves[index + 1] as number;
    if (datatype === "BOOL") data[at] = Number(low !== 0 || high !== 0);
    else if (!fits(low, high)) throw unfitting(head, { index: index / 2, low, high });
    else if (size === 1) data[at] = low;
    else if (size === 2) view.setInt16(at, low, true);
    else {
      view.setInt32(at, low, true);
      if (size === 8) view.setInt32(at + 4, high, true);
    }
  }
  return data;
}

/** Whether the 64 bits of the wire are a number of the datatype. */
type Fits = (low: number, high: number) => boolean;

const always: Fits = () => true;
const signed =
  (bits: number): Fits =>
  (low, high) =>
    high === low >> 31 && low === (low << (32 - bits)) >> (32 - bits);
const unsigned =
  (bits: number): Fits =>
  (low, high) =>
    high === 0 && low >>> 0 < 2 ** bits;

const fitters: Readonly<Record<IntegerType, Fits>> = {
  BOOL: always,
  INT8: signed(8),
  INT16: signed(16),
  INT32: signed(32),
  INT64: always,
  UINT8: unsigned(8),
  UINT16: unsigned(16),
  UINT32: unsigned(32),
  UINT64: always,
};

function unfitting(
  head: TensorHead,
  { index, low, high }: { readonly index: number; readonly low: number; readonly high: number },
): InvalidRequestError {
  const value = (BigInt(high) << 32n) | BigInt(low >>> 0);
  return new InvalidRequestError(
    `value ${index} of ${tensorTitle(head)} is not ${head.datatype}: ${value}`,
    { field: head.name },
  );
}
