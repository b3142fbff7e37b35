import {
  type BytesTensor,
  bytesPerElement,
  type DType,
  elementCount,
  type FixedSizeTensor,
  fieldTag,
  MalformedMessageError,
  MessageReader,
  MessageWriter,
  readInt64Message,
  type Tensor,
  TooLargeError,
  type WorkBudget,
  wireType,
} from "@tensorgate/core";
import { dataTypes, dtypeByNumber } from "./data-type.ts";
import { signedDTypes, tensorProtoField, valueFields } from "./tensor-proto-fields.ts";
import {
  createTensorBudget,
  type EncodedElements,
  type FieldValues,
  readElements,
  type TensorBudget,
  TensorParsingError,
} from "./tensor-values.ts";

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
    const encoded = readFields(message, budget);
    const { dataType, shape } = encoded;
    const dtype = dtypeByNumber.get(dataType);
    // A tensor that is sent is no reference.
    if (dtype === undefined || dataType !== dataTypes[dtype].number) {
      throw new TensorParsingError(`data type ${dataType}`);
    }
    const count = elementCount(shape);
    if (!Number.isSafeInteger(count)) throw new TensorParsingError("too many elements");
    if (dtype === "BYTES") return readBytesTensor(encoded, count, budget);
    const byteCount = count * bytesPerElement[dtype];
    return { dtype, shape, data: readElements(encoded, { dtype, byteCount }, budget) };
  } catch (thrown) {
    const isOfMessage = thrown instanceof MalformedMessageError || thrown instanceof TooLargeError;
    if (!isOfMessage) throw thrown;
    throw new TensorParsingError(thrown.message, { cause: thrown });
  }
}

/** Reads the type of a tensor, and nothing else of it. @returns undefined if it is unknown, or the message malformed */
export function readDType(message: Uint8Array): DType | undefined {
  let dataType = 0;
  try {
    const reader = new MessageReader(message, createTensorBudget().elements);
    while (reader.next()) {
      if (reader.tag === tags.dtype) dataType = reader.uint32();
      else reader.skip();
    }
  } catch (thrown) {
    if (thrown instanceof MalformedMessageError || thrown instanceof TooLargeError)
      return undefined;
    throw thrown;
  }
  return dtypeByNumber.get(dataType);
}

/** Fields of a message; its type decides which of them count. */
interface EncodedTensor extends EncodedElements {
  dataType: number;
  readonly shape: number[];
  content: Uint8Array;
  readonly values: FieldValues[];
  readonly strings: Uint8Array[];
}

const tags = {
  dtype: fieldTag(tensorProtoField.dtype, wireType.varint),
  tensorShape: fieldTag(tensorProtoField.tensorShape),
  tensorContent: fieldTag(tensorProtoField.tensorContent),
  stringVal: fieldTag(tensorProtoField.stringVal),
} as const;

function readFields(message: Uint8Array, { elements }: TensorBudget): EncodedTensor {
  const encoded: EncodedTensor = {
    dataType: 0,
    shape: [],
    content: noBytes,
    values: [],
    strings: [],
  };
  const reader = new MessageReader(message, elements);
  while (reader.next()) {
    switch (reader.tag) {
      case tags.dtype:
        encoded.dataType = reader.uint32();
        break;
      case tags.tensorShape:
        readShape(reader.bytes(), encoded.shape, elements);
        break;
      case tags.tensorContent:
        encoded.content = reader.bytes();
        break;
      case tags.stringVal:
        encoded.strings.push(reader.bytes());
        break;
      default:
        encoded.values.push({ field: reader.tag >>> 3, bytes: reader.bytes() });
    }
  }
  return encoded;
}

const noBytes = new Uint8Array();

/** Maximum rank in TensorFlow. */
const maxRank = 254;

const dimTag = fieldTag(2);

/** Adds the extents of a `TensorShapeProto` to `shape`. */
function readShape(message: Uint8Array, shape: number[], elements: WorkBudget): void {
  const reader = new MessageReader(message, elements);
  while (reader.next()) {
    // unknown_rank is ignored: the extents hold as they are listed.
    if (reader.tag !== dimTag) {
      reader.skip();
      continue;
    }
    if (shape.length === maxRank) throw new TensorParsingError(`a rank of more than ${maxRank}`);
    const extent = Number(readInt64Message(reader.bytes(), elements));
    if (extent < 0) throw new TensorParsingError(`an extent of ${extent}`);
    if (extent > Number.MAX_SAFE_INTEGER) throw new TensorParsingError("too many elements");
    shape.push(extent);
  }
}

function readBytesTensor(
  { shape, content, strings }: EncodedTensor,
  count: number,
  { elements: budget }: TensorBudget,
): BytesTensor {
  const dtype: DType = "BYTES";
  if (count === 0) return { dtype, shape, elements: [] };
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

/**
 * Where the elements go: in the type's own value field, as TensorFlow Serving answers, or as raw bytes in
 * `tensor_content`. Strings are in `string_val` either way.
 */
export type TensorEncoding = "values" | "content";

/** Writes a `tensorflow.TensorProto`; large data are referenced, not copied. */
export function tensorProtoWriter(tensor: Tensor, encoding: TensorEncoding): MessageWriter {
  const shape = new MessageWriter();
  for (const extent of tensor.shape) {
    const dim = new MessageWriter();
    // Zero is the default, and defaults are left out.
    shape.messageField(2, extent === 0 ? dim : dim.varintField(1, extent));
  }
  const writer = new MessageWriter()
    .varintField(tensorProtoField.dtype, dataTypes[tensor.dtype].number)
    .messageField(tensorProtoField.tensorShape, shape);
  if (tensor.dtype === "BYTES") {
    for (const element of tensor.elements) writer.bytesField(tensorProtoField.stringVal, element);
    return writer;
  }
  if (tensor.data.byteLength === 0) return writer;
  if (encoding === "content") {
    return writer.bytesField(tensorProtoField.tensorContent, tensor.data);
  }
  return writeValues(writer, tensor);
}

function writeValues(writer: MessageWriter, { dtype, data }: FixedSizeTensor): MessageWriter {
  const { number, layout } = valueFields[dtype];
  // Packed floats on the wire are what they are in memory.
  if (layout !== "varint") return writer.bytesField(number, data);

  const elementBytes = bytesPerElement[dtype];
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const isSigned = signedDTypes.has(dtype);
  const packed = new MessageWriter();
  for (let offset = 0; offset < data.byteLength; offset += elementBytes) {
    const value = readInteger(view, offset, elementBytes, isSigned);
    packed.varint(value < 0 ? BigInt(value) : value);
  }
  return writer.messageField(number, packed);
}

function readInteger(
  view: DataView,
  offset: number,
  elementBytes: number,
  isSigned: boolean,
): number | bigint {
  switch (elementBytes) {
    case 1:
      return isSigned ? view.getInt8(offset) : view.getUint8(offset);
    case 2:
      return isSigned ? view.getInt16(offset, true) : view.getUint16(offset, true);
    case 4:
      return isSigned ? view.getInt32(offset, true) : view.getUint32(offset, true);
    default:
      return isSigned ? view.getBigInt64(offset, true) : view.getBigUint64(offset, true);
  }
}
