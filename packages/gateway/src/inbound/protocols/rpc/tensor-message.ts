import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  bytesPerElement,
  bytesTensor,
  type FixedSizeDType,
  fixedSizeTensor,
  InvalidRequestError,
  type Tensor,
} from "@tensorgate/core";
import type {
  Tensor as TensorMessage,
  TensorSchema,
} from "@tensorgate/proto/tensorgate/v1/scoring";

/**
 * A tensor of `tensorgate.v1` as a neutral one; its data are viewed, not copied.
 *
 * @throws InvalidRequestError if dtype, shape and data do not agree; names the input
 */
export function tensorFromMessage(name: string, message: TensorMessage): Tensor {
  const field = `inputs[${JSON.stringify(name)}]`;
  const shape = message.shape.map(Number);
  if (shape.some((extent) => !Number.isSafeInteger(extent) || extent < 0)) {
    throw new InvalidRequestError(`${field} has the invalid shape [${message.shape}]`, { field });
  }
  try {
    if (message.dtype === "BYTES") {
      const elements = message.values.case === "elements" ? message.values.value.elements : [];
      return bytesTensor(shape, elements);
    }
    if (!isFixedSizeDType(message.dtype)) {
      throw new RangeError(`unknown dtype "${message.dtype.slice(0, 40)}"`);
    }
    const data = message.values.case === "data" ? message.values.value : new Uint8Array();
    return fixedSizeTensor(message.dtype, shape, data);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new InvalidRequestError(`${field}: ${cause.message}`, { field, cause });
  }
}

function isFixedSizeDType(dtype: string): dtype is FixedSizeDType {
  return Object.hasOwn(bytesPerElement, dtype);
}

/** A neutral tensor as one of `tensorgate.v1`. */
export function tensorMessage(tensor: Tensor): MessageInitShape<typeof TensorSchema> {
  const shape = tensor.shape.map(BigInt);
  if (tensor.dtype === "BYTES") {
    const value = { elements: [...tensor.elements] };
    return { dtype: tensor.dtype, shape, values: { case: "elements", value } };
  }
  return {
    dtype: tensor.dtype,
    shape,
    // The generated type asks for a buffer that is not shared; ours never is.
    values: { case: "data", value: tensor.data as Uint8Array<ArrayBuffer> },
  };
}
