import { bytesTensor, type FixedSizeDType, fixedSizeTensor, type Tensor } from "@tensorgate/core";
import { grpcCode } from "@tensorgate/grpc";
import { ServingError } from "@tensorgate/tf-serving";
import { dtypeFromOrtType, type OrtTensor, ortTypeFromDType } from "./ort-types.ts";

/**
 * Copies, since the buffer is transferred and a tensor may be a view of a received message.
 *
 * @param name - of the input, for messages
 * @throws ServingError if the engine cannot take the tensor
 */
export function ortTensorFromTensor(name: string, tensor: Tensor): OrtTensor {
  const { dtype, shape } = tensor;
  if (tensor.dtype === "BYTES") {
    const data = tensor.elements.map((bytes, index) => text(bytes, `${name}[${index}]`));
    return { type: "string", shape, data };
  }
  const type = ortTypeFromDType(dtype);
  if (!type || type === "string") {
    throw new ServingError(grpcCode.UNIMPLEMENTED, `input ${name}: the engine takes no ${dtype}`);
  }
  return { type, shape, data: new Uint8Array(tensor.data) };
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** ONNX Runtime's JavaScript API carries strings as text, and cuts one at its first NUL. */
function text(bytes: Uint8Array, place: string): string {
  const nul = bytes.indexOf(0);
  if (nul >= 0) throw notText(`input ${place} has a NUL at byte ${nul}`);
  try {
    return utf8.decode(bytes);
  } catch {
    throw notText(`input ${place} is not UTF-8`);
  }
}

/** The method is there, and takes other values: it is the argument that cannot be. */
const notText = (what: string) =>
  new ServingError(
    grpcCode.INVALID_ARGUMENT,
    `${what}: strings of a model in ONNX are text, UTF-8 without NUL`,
  );

export function tensorFromOrtTensor(tensor: OrtTensor): Tensor {
  const { type, shape } = tensor;
  if (tensor.type === "string") {
    const encoder = new TextEncoder();
    return bytesTensor(
      shape,
      tensor.data.map((element) => encoder.encode(element)),
    );
  }
  const dtype = dtypeFromOrtType(type);
  if (!dtype || dtype === "BYTES") throw new TypeError(`a model gave a ${type}`);
  return fixedSizeTensor(dtype satisfies FixedSizeDType, shape, tensor.data);
}
