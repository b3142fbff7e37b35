import {
  type BytesTensor,
  bytesPerElement,
  type DType,
  elementCount,
  type FixedSizeDType,
  type FixedSizeTensor,
  type Tensor,
  TooLargeError,
  type WorkBudget,
} from "@tensorgate/core";
import { dtypeFromNumber } from "./data-type.ts";
import { createTensorBudget, type TensorBudget, TensorParsingError } from "./tensor-budget.ts";
import { tensorProtoField } from "./tensor-proto-fields.ts";
import { elementsFromValues, type FieldValues } from "./value-elements.ts";
import { MalformedMessageError, MessageReader, wireType } from "./wire/message-reader.ts";

/**
 * Reads a `tensorflow.TensorProto` as TensorFlow does; the data view `message` where their layout allows it.
 *
 * - `tensor_content` wins over the value fields and must be exactly as long as the shape says;
 * - too few values: the last one fills the rest, zero where there is none; too many: the extra are dropped;
 * - a value in a field that is not the type's own is ignored; one out of range wraps.
 *
 * @param budget - for all tensors of a message together: a message of ten bytes can ask for any size
 * @throws TensorParsingError
 */
export function readTensorProto(
  message: Uint8Array,
  budget: TensorBudget = createTensorBudget(),
): Tensor {
  try {
    const parts = readParts(message, budget);
    const dtype = dtypeFromNumber(parts.dataType);
    if (dtype === undefined) throw new TensorParsingError(`data type ${parts.dataType}`);
    const count = checkedCount(parts.shape);
    return dtype === "BYTES"
      ? readBytesTensor(parts, count, budget)
      : readFixedSizeTensor(parts, { dtype, count, budget });
  } catch (thrown) {
    const isOfMessage = thrown instanceof MalformedMessageError || thrown instanceof TooLargeError;
    if (!isOfMessage) throw thrown;
    throw new TensorParsingError(thrown.message, { cause: thrown });
  }
}

/** What is in a message, before its type says which of it counts. */
interface TensorParts {
  dataType: number;
  readonly shape: number[];
  content: Uint8Array;
  /** Value fields in the order they came. */
  readonly values: FieldValues[];
  readonly strings: Uint8Array[];
}

function readParts(message: Uint8Array, { elements }: TensorBudget): TensorParts {
  const parts: TensorParts = {
    dataType: 0,
    shape: [],
    content: new Uint8Array(),
    values: [],
    strings: [],
  };
  const reader = new MessageReader(message, elements);
  while (reader.next()) {
    const { fieldNumber: field, wireType: type } = reader;
    if (reader.is(tensorProtoField.dtype, wireType.varint)) {
      parts.dataType = reader.uint32();
    } else if (reader.is(tensorProtoField.tensorShape, wireType.lengthDelimited)) {
      readShape(reader.bytes(), parts.shape, elements);
    } else if (reader.is(tensorProtoField.tensorContent, wireType.lengthDelimited)) {
      parts.content = reader.bytes();
    } else if (reader.is(tensorProtoField.stringVal, wireType.lengthDelimited)) {
      parts.strings.push(reader.bytes());
    } else if (type === wireType.lengthDelimited) {
      parts.values.push({ field, bytes: reader.bytes() });
    } else if (type === wireType.fixed32) {
      parts.values.push({ field, bytes: reader.fixed32() });
    } else if (type === wireType.fixed64) {
      parts.values.push({ field, bytes: reader.fixed64() });
    } else if (type === wireType.varint) {
      parts.values.push({ field, bytes: reader.varint() });
    } else {
      reader.skip();
    }
  }
  return parts;
}

/** Adds the extents of a `TensorShapeProto` to `shape`. */
function readShape(message: Uint8Array, shape: number[], elements: WorkBudget): void {
  const reader = new MessageReader(message, elements);
  while (reader.next()) {
    // unknown_rank is ignored: the extents hold as they are listed.
    if (!reader.is(2, wireType.lengthDelimited)) {
      reader.skip();
      continue;
    }
    if (shape.length === maxRank) throw new TensorParsingError(`a rank of more than ${maxRank}`);
    shape.push(readExtent(reader.bytes(), elements));
  }
}

function readExtent(message: Uint8Array, elements: WorkBudget): number {
  let extent = 0n;
  const reader = new MessageReader(message, elements);
  while (reader.next()) {
    if (reader.is(1, wireType.varint)) extent = BigInt.asIntN(64, reader.uint64());
    else reader.skip();
  }
  if (extent < 0n) throw new TensorParsingError(`an extent of ${extent}`);
  if (extent > BigInt(Number.MAX_SAFE_INTEGER)) throw new TensorParsingError("too many elements");
  return Number(extent);
}

function checkedCount(shape: readonly number[]): number {
  const count = elementCount(shape);
  if (!Number.isSafeInteger(count)) throw new TensorParsingError("too many elements");
  return count;
}

/** TensorFlow knows no more than 254 axes. */
const maxRank = 254;

interface FixedSizeRead {
  readonly dtype: FixedSizeDType;
  readonly count: number;
  readonly budget: TensorBudget;
}

function readFixedSizeTensor(
  { shape, content, values }: TensorParts,
  { dtype, count, budget }: FixedSizeRead,
): FixedSizeTensor {
  const byteCount = count * bytesPerElement[dtype];
  if (content.byteLength > 0) {
    if (content.byteLength !== byteCount) {
      throw new TensorParsingError(`${content.byteLength} bytes of content, not ${byteCount}`);
    }
    if (dtype === "BOOL" && hasByteOver1(content)) {
      throw new TensorParsingError("a truth value that is neither 0 nor 1");
    }
    return { dtype, shape, data: content };
  }
  return { dtype, shape, data: elementsFromValues(values, { dtype, byteCount }, budget) };
}

function hasByteOver1(bytes: Uint8Array): boolean {
  let seen = 0;
  for (let at = 0; at < bytes.byteLength; at += 1) seen |= bytes[at] as number;
  return seen > 1;
}

function readBytesTensor(
  { shape, content, strings }: TensorParts,
  count: number,
  { elements: budget }: TensorBudget,
): BytesTensor {
  const dtype: DType = "BYTES";
  if (content.byteLength > 0) {
    if (count > content.byteLength) throw new TensorParsingError("content of too few strings");
    budget.spend(count);
    return { dtype, shape, elements: stringsFromContent(content, count) };
  }
  if (strings.length === count) return { dtype, shape, elements: strings };
  if (count > strings.length) budget.spend(count - strings.length);
  const last = strings.at(-1) ?? new Uint8Array();
  const elements = Array.from({ length: count }, (_, index) => strings[index] ?? last);
  return { dtype, shape, elements };
}

/** All lengths as varints, then all bytes. */
function stringsFromContent(content: Uint8Array, count: number): readonly Uint8Array[] {
  const lengths: number[] = [];
  let offset = 0;
  for (let index = 0; index < count; index += 1) {
    let length = 0;
    let scale = 1;
    for (;;) {
      const byte = content[offset++];
      if (byte === undefined || scale > 2 ** 35) throw new TensorParsingError("content cut short");
      length += (byte & 0x7f) * scale;
      scale *= 0x80;
      if (byte < 0x80) break;
    }
    lengths.push(length);
  }
  const elements = lengths.map((length) => {
    const element = content.subarray(offset, offset + length);
    offset += length;
    return element;
  });
  if (offset !== content.byteLength) throw new TensorParsingError("content of another length");
  return elements;
}
