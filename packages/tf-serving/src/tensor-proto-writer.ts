import { bytesPerElement, type FixedSizeTensor, type Tensor } from "@tensorgate/core";
import { dataTypes } from "./data-type.ts";
import { signedDTypes, tensorProtoField, valueFields } from "./tensor-proto-fields.ts";
import { MessageWriter } from "./wire/message.ts";

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
