import {
  type BytesTensor,
  bytesPerElement,
  type DType,
  type FixedSizeDType,
  type FixedSizeTensor,
  type Tensor,
} from "@tensorgate/core";
import { dtypeFromNumber } from "./data-type.ts";
import { tensorProtoField, valueFields } from "./tensor-proto-fields.ts";
import { MalformedMessageError } from "./wire/malformed-message-error.ts";
import { MessageReader, wireType } from "./wire/message-reader.ts";

/** A `TensorProto` that TensorFlow would refuse to parse, or that would be too large. */
export class TensorParsingError extends Error {
  override readonly name = "TensorParsingError";
}

/**
 * Most bytes that a tensor may take when its message holds fewer values than its shape says and the last one
 * fills the rest: a message of ten bytes can ask for any size.
 */
const maxFilledBytes = 256 * 1_048_576;

/**
 * Reads a `tensorflow.TensorProto` as TensorFlow does; the data view `message` where their layout allows it.
 *
 * - `tensor_content` wins over the value fields and must be exactly as long as the shape says;
 * - too few values: the last one fills the rest, zero where there is none; too many: the extra are dropped;
 * - a value in a field that is not the type's own is ignored; one out of range wraps.
 *
 * @throws TensorParsingError
 */
export function readTensorProto(message: Uint8Array): Tensor {
  try {
    const parts = readParts(message);
    const dtype = dtypeFromNumber(parts.dataType);
    if (dtype === undefined) throw new TensorParsingError(`data type ${parts.dataType}`);
    const count = checkedCount(parts.shape);
    return dtype === "BYTES"
      ? readBytesTensor(parts, count)
      : readFixedSizeTensor(parts, dtype, count);
  } catch (thrown) {
    if (!(thrown instanceof MalformedMessageError)) throw thrown;
    throw new TensorParsingError(thrown.message, { cause: thrown });
  }
}

/** What is in a message, before its type says which of it counts. */
interface TensorParts {
  dataType: number;
  shape: readonly number[];
  content: Uint8Array;
  /** Value fields in the order they came: packed ones whole, others one by one. */
  readonly values: { readonly field: number; readonly type: number; readonly bytes: Uint8Array }[];
  readonly strings: Uint8Array[];
}

function readParts(message: Uint8Array): TensorParts {
  const parts: TensorParts = {
    dataType: 0,
    shape: [],
    content: new Uint8Array(),
    values: [],
    strings: [],
  };
  const reader = new MessageReader(message);
  while (reader.next()) {
    const { fieldNumber: field, wireType: type } = reader;
    if (reader.is(tensorProtoField.dtype, wireType.varint)) {
      parts.dataType = reader.uint32();
    } else if (reader.is(tensorProtoField.tensorShape, wireType.lengthDelimited)) {
      parts.shape = [...parts.shape, ...readShape(reader.bytes())];
    } else if (reader.is(tensorProtoField.tensorContent, wireType.lengthDelimited)) {
      parts.content = reader.bytes();
    } else if (reader.is(tensorProtoField.stringVal, wireType.lengthDelimited)) {
      parts.strings.push(reader.bytes());
    } else if (type === wireType.lengthDelimited) {
      parts.values.push({ field, type, bytes: reader.bytes() });
    } else if (type === wireType.fixed32) {
      parts.values.push({ field, type, bytes: reader.fixed32() });
    } else if (type === wireType.fixed64) {
      parts.values.push({ field, type, bytes: reader.fixed64() });
    } else if (type === wireType.varint) {
      parts.values.push({ field, type, bytes: varintBytes(reader.uint64()) });
    } else {
      reader.skip();
    }
  }
  return parts;
}

/** An unpacked varint in the form of a packed one. */
function varintBytes(value: bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}

function readShape(message: Uint8Array): readonly number[] {
  const extents: number[] = [];
  const reader = new MessageReader(message);
  while (reader.next()) {
    // unknown_rank is ignored: the extents hold as they are listed.
    if (reader.is(2, wireType.lengthDelimited)) extents.push(readExtent(reader.bytes()));
    else reader.skip();
  }
  return extents;
}

function readExtent(message: Uint8Array): number {
  let extent = 0n;
  const reader = new MessageReader(message);
  while (reader.next()) {
    if (reader.is(1, wireType.varint)) extent = BigInt.asIntN(64, reader.uint64());
    else reader.skip();
  }
  if (extent < 0n) throw new TensorParsingError(`an extent of ${extent}`);
  if (extent > BigInt(Number.MAX_SAFE_INTEGER)) throw new TensorParsingError("too many elements");
  return Number(extent);
}

function checkedCount(shape: readonly number[]): number {
  if (shape.length > maxRank) throw new TensorParsingError(`a rank of ${shape.length}`);
  const count = shape.reduce((product, extent) => product * extent, 1);
  if (!Number.isSafeInteger(count)) throw new TensorParsingError("too many elements");
  return count;
}

/** TensorFlow knows no more than 254 axes. */
const maxRank = 254;

function readFixedSizeTensor(
  { shape, content, values }: TensorParts,
  dtype: FixedSizeDType,
  count: number,
): FixedSizeTensor {
  const byteCount = count * bytesPerElement[dtype];
  if (content.byteLength > 0) {
    if (content.byteLength !== byteCount) {
      throw new TensorParsingError(`${content.byteLength} bytes of content, not ${byteCount}`);
    }
    if (dtype === "BOOL" && content.some((byte) => byte > 1)) {
      throw new TensorParsingError("a truth value that is neither 0 nor 1");
    }
    return { dtype, shape, data: content };
  }
  if (byteCount > maxFilledBytes && byteCount > 8 * messageBytes(values)) {
    throw new TensorParsingError(`${byteCount} bytes out of a message that holds far fewer`);
  }
  return { dtype, shape, data: elementsFromValues(values, dtype, byteCount) };
}

function messageBytes(values: TensorParts["values"]): number {
  return values.reduce((sum, { bytes }) => sum + bytes.byteLength, 0);
}

function elementsFromValues(
  values: TensorParts["values"],
  dtype: FixedSizeDType,
  byteCount: number,
): Uint8Array {
  const { number, layout } = valueFields[dtype];
  const own = values.filter(({ field }) => field === number);
  const [only] = own;
  const isPacked = only !== undefined && own.length === 1;

  if (layout !== "varint") {
    // Already little-endian elements: packed floats are viewed where they lie.
    if (isPacked && only.bytes.byteLength === byteCount) return only.bytes;
    const size = layout === "fixed32" ? 4 : layout === "fixed64" ? 8 : 1;
    if (own.some(({ bytes }) => bytes.byteLength % size !== 0)) {
      throw new TensorParsingError("packed values that are cut short");
    }
    // A float8 field is one string of bytes, of which the last holds.
    const chunks = layout === "bytes" ? own.slice(-1) : own;
    const data = new Uint8Array(byteCount);
    let filled = 0;
    for (const { bytes } of chunks) {
      const taken = bytes.subarray(0, byteCount - filled);
      data.set(taken, filled);
      filled += taken.byteLength;
    }
    return fillWithLast(data, filled, bytesPerElement[dtype]);
  }

  const elementBytes = bytesPerElement[dtype];
  const data = new Uint8Array(byteCount);
  const view = new DataView(data.buffer);
  let filled = 0;
  for (const { bytes } of own) {
    for (const value of packedVarints(bytes, elementBytes === 8 || dtype === "BOOL")) {
      if (filled >= byteCount) break;
      writeInteger(view, filled, dtype === "BOOL" ? (value ? 1 : 0) : value, elementBytes);
      filled += elementBytes;
    }
  }
  return fillWithLast(data, filled, elementBytes);
}

/** Low 32 bits of each varint, or all 64 where they count: a truth value is true whichever bit is set. */
function* packedVarints(bytes: Uint8Array, wants64: boolean): Generator<number | bigint> {
  let position = 0;
  while (position < bytes.byteLength) {
    let low = 0;
    let wide = 0n;
    let shift = 0;
    for (; ; shift += 7) {
      const byte = bytes[position++];
      if (byte === undefined || shift > 63)
        throw new TensorParsingError("packed values that are cut short");
      if (wants64) wide |= BigInt(byte & 0x7f) << BigInt(shift);
      else if (shift < 32) low |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    yield wants64 ? BigInt.asUintN(64, wide) : low;
  }
}

/** Wraps `value` to the element's size. */
function writeInteger(
  view: DataView,
  offset: number,
  value: number | bigint,
  elementBytes: number,
): void {
  if (typeof value === "bigint") view.setBigUint64(offset, value, true);
  else if (elementBytes === 1) view.setUint8(offset, value & 0xff);
  else if (elementBytes === 2) view.setUint16(offset, value & 0xffff, true);
  else view.setInt32(offset, value | 0, true);
}

/** Repeats the last element that was set; what none was set of stays zero. */
function fillWithLast(data: Uint8Array, filled: number, elementBytes: number): Uint8Array {
  if (filled < elementBytes) return data;
  // Doubling runs: copyWithin is as fast as memory, element by element is not.
  let end = filled;
  const start = filled - elementBytes;
  while (end < data.byteLength) {
    const run = Math.min(end - start, data.byteLength - end);
    data.copyWithin(end, start, start + run);
    end += run;
  }
  return data;
}

function readBytesTensor({ shape, content, strings }: TensorParts, count: number): BytesTensor {
  const dtype: DType = "BYTES";
  if (content.byteLength > 0) {
    return { dtype, shape, elements: stringsFromContent(content, count) };
  }
  if (count > maxFilledElements && count > strings.length) {
    throw new TensorParsingError(`${count} strings out of a message that holds ${strings.length}`);
  }
  if (strings.length === count) return { dtype, shape, elements: strings };
  const last = strings.at(-1) ?? new Uint8Array();
  const elements = Array.from({ length: count }, (_, index) => strings[index] ?? last);
  return { dtype, shape, elements };
}

/** Strings take more than their bytes: as many empty ones must fit in the memory of the other types. */
const maxFilledElements = 1_048_576;

/** All lengths as varints, then all bytes. */
function stringsFromContent(content: Uint8Array, count: number): readonly Uint8Array[] {
  if (count > content.byteLength) throw new TensorParsingError("content of too few strings");
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
