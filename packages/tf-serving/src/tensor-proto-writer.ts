import { bytesPerElement, type FixedSizeTensor, isFixedSize, type Tensor } from "@tensorgate/core";
import { dataTypes } from "./data-type.ts";
import { signedDTypes, tensorProtoField, valueFields } from "./tensor-proto-fields.ts";
import { wireType } from "./wire/message-reader.ts";
import { MessageWriter } from "./wire/message-writer.ts";

/**
 * Where the elements go: in the type's own value field, as TensorFlow Serving answers, or as raw bytes in
 * `tensor_content`. Strings are in `string_val` either way.
 */
export type TensorEncoding = "values" | "content";

/** Writes a `tensorflow.TensorProto`; large data are referenced, not copied. */
export function tensorProtoWriter(tensor: Tensor, encoding: TensorEncoding): MessageWriter {
  const writer = new MessageWriter()
    .varintField(tensorProtoField.dtype, dataTypes[tensor.dtype].number)
    .messageField(tensorProtoField.tensorShape, shapeWriter(tensor.shape));
  if (tensor.dtype === "BYTES") {
    for (const element of tensor.elements) writer.bytesField(tensorProtoField.stringVal, element);
    return writer;
  }
  if (tensor.data.byteLength === 0 || !isFixedSize(tensor.dtype)) return writer;
  if (encoding === "content") {
    return writer.bytesField(tensorProtoField.tensorContent, tensor.data);
  }
  return writeValues(writer, tensor);
}

function shapeWriter(shape: readonly number[]): MessageWriter {
  const writer = new MessageWriter();
  for (const extent of shape) {
    const dim = new MessageWriter();
    // Zero is the default, and defaults are left out.
    if (extent !== 0) dim.varintField(1, BigInt(extent));
    writer.messageField(2, dim);
  }
  return writer;
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
    if (typeof value === "bigint" || value < 0) packed.varint64(BigInt(value));
    else packed.varint(value);
  }
  writer.tag(number, wireType.lengthDelimited).varint(packed.byteLength);
  for (const segment of packed.finish()) writer.raw(segment);
  return writer;
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
