import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  outputFromTensor,
  type TensorInput,
  type TensorOutput,
  tensorsFromInputs,
} from "@tensorgate/client-core";
import type { Tensor } from "@tensorgate/core";
import type {
  Tensor as TensorMessage,
  TensorSchema,
} from "@tensorgate/proto/tensorgate/v1/scoring";

/** @throws InvalidRequestError if data, dtype and shape of an input do not go together; names the input */
export function tensorMessagesFrom(
  inputs: Readonly<Record<string, TensorInput>>,
): Readonly<Record<string, MessageInitShape<typeof TensorSchema>>> {
  const messages = tensorsFromInputs(inputs).map(([name, tensor]) => [name, messageFrom(tensor)]);
  return Object.fromEntries(messages);
}

function messageFrom(tensor: Tensor): MessageInitShape<typeof TensorSchema> {
  const shape = tensor.shape.map(BigInt);
  if (tensor.dtype === "BYTES") {
    const elements = tensor.elements as Uint8Array<ArrayBuffer>[];
    return { dtype: "BYTES", shape, values: { case: "elements", value: { elements } } };
  }
  const value = tensor.data as Uint8Array<ArrayBuffer>;
  return { dtype: tensor.dtype, shape, values: { case: "data", value } };
}

export function tensorOutputFrom({ dtype, shape, values }: TensorMessage): TensorOutput {
  const extents = shape.map(Number);
  if (values.case === "elements") {
    return outputFromTensor({ dtype: "BYTES", shape: extents, elements: values.value.elements });
  }
  const data = values.case === "data" ? values.value : new Uint8Array();
  return outputFromTensor({ dtype, shape: extents, data } as Tensor);
}
