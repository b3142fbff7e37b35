import {
  type BytesTensor,
  bytesPerElement,
  createWorkBudget,
  type DType,
  elementCount,
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
import { tensorProtoField, valueFields } from "./tensor-proto-fields.ts";
import {
  type ElementsWanted,
  hasByteOver1,
  stringsFromContent,
  TensorParsingError,
  type ValueBudget,
  writeValues,
  writtenElements,
} from "./tensor-values.ts";

export interface TensorBudgetOptions {
  /**
   * Most fields, strings and values that come one by one. Values that are packed, or raw bytes, are not counted: they
   * are viewed where they lie, or charged as bytes.
   * @default 131_072
   */
  readonly maxElements?: number;
  /**
   * Most bytes of values that are written out rather than viewed: varints, and those that are fewer than the shape says,
   * of which the last one fills the rest.
   * @default 268_435_456
   */
  readonly maxValueBytes?: number;
  /**
   * Most bytes of packed varints: they are read one by one, in one turn of the event loop.
   * @default 16_777_216
   */
  readonly maxVarintBytes?: number;
}

/** Budget for reading the tensors of one message. */
export interface TensorBudget extends ValueBudget {
  readonly elements: WorkBudget;
}

export const tensorBudgetDefaults: Required<TensorBudgetOptions> = {
  maxElements: 131_072,
  maxValueBytes: 268_435_456,
  maxVarintBytes: 16_777_216,
};

export function createTensorBudget(options: TensorBudgetOptions = {}): TensorBudget {
  const { maxElements, maxValueBytes, maxVarintBytes } = { ...tensorBudgetDefaults, ...options };
  let takenBytes = 0;
  let varintBytes = 0;
  return {
    elements: createWorkBudget(maxElements),
    takeValueBytes: (byteCount) => {
      takenBytes += byteCount;
      if (takenBytes <= maxValueBytes) return;
      throw new TensorParsingError(
        `tensors of ${takenBytes} bytes, written out; at most ${maxValueBytes} are accepted`,
      );
    },
    takeVarintBytes: (byteCount) => {
      varintBytes += byteCount;
      if (varintBytes <= maxVarintBytes) return;
      throw new TensorParsingError(
        `${varintBytes} bytes of integers one by one; at most ${maxVarintBytes} are accepted, more in tensor_content`,
      );
    },
  };
}

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

/** Values of one field as they came: packed ones whole, others one by one. */
interface FieldValues {
  readonly tag: number;
  readonly bytes: Uint8Array;
}

/** Elements of a tensor, as encoded. */
interface EncodedElements {
  readonly content: Uint8Array;
  /** Value fields in the order they came. */
  readonly values: readonly FieldValues[];
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
        encoded.values.push({ tag: reader.tag, bytes: reader.bytes() });
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

/**
 * Reads the elements of a fixed-size type, little-endian: from `tensor_content`, which wins, or from the value field of
 * the type. They are viewed where they lie if their layout allows it; but for truth values, which are checked, whatever
 * they are.
 *
 * @throws TensorParsingError if values are cut short or not as many as the shape says, or would take more bytes than the
 *   budget has
 */
function readElements(
  { content, values }: EncodedElements,
  { dtype, byteCount }: ElementsWanted,
  budget: TensorBudget,
): Uint8Array {
  if (byteCount === 0) return new Uint8Array();
  if (content.byteLength > 0) {
    if (content.byteLength !== byteCount) {
      throw new TensorParsingError(`${content.byteLength} bytes of content, not ${byteCount}`);
    }
    if (dtype === "BOOL" && hasByteOver1(content)) {
      throw new TensorParsingError("a truth value that is neither 0 nor 1");
    }
    return content;
  }
  const { number, layout } = valueFields[dtype];
  const own = values.filter(({ tag }) => tag >>> 3 === number);
  const [only] = own;
  if (layout !== "varint" && own.length === 1 && only?.bytes.byteLength === byteCount) {
    // Packed floats are little-endian elements already. What came as a varint ends where its bytes say.
    if ((only.tag & 7) !== wireType.varint) return only.bytes;
  }
  return writtenElements(
    own.map(({ bytes }) => bytes),
    { dtype, byteCount },
    budget,
  );
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
