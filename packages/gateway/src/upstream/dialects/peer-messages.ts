import { fromBinary } from "@bufbuild/protobuf";
import {
  bytesPerElement,
  bytesTensor,
  type FixedSizeDType,
  fixedSizeTensor,
  type ModelSpec,
  type ScoreRequest,
  type ScoreResponse,
  type Tensor,
  type WorkBudget,
} from "@tensorgate/core";
import { writeParameters } from "@tensorgate/open-inference";
import {
  PredictResponseSchema,
  type Tensor as TensorMessage,
} from "@tensorgate/proto/tensorgate/v1/scoring";
import { chargeMessage, MessageWriter } from "@tensorgate/tf-serving";

/** Field numbers of `tensorgate.v1`. */
const requestField = { modelSpec: 1, inputs: 2, outputFilter: 3 } as const;
const specField = { name: 1, version: 2, versionLabel: 3, signatureName: 4 } as const;
const tensorField = { dtype: 1, shape: 2, data: 3, elements: 4 } as const;

/**
 * Frames a `tensorgate.v1.PredictRequest`: the segments, one after the other, are the message. Written by hand, because
 * a picture among them is then the very bytes that were handed in.
 */
export function peerPredictSegments({
  modelSpec,
  inputs,
  outputFilter,
  parameters,
}: ScoreRequest): readonly Uint8Array[] {
  const writer = new MessageWriter().messageField(requestField.modelSpec, specWriter(modelSpec));
  for (const [name, tensor] of inputs) {
    const entry = new MessageWriter().stringField(1, name).messageField(2, tensorWriter(tensor));
    writer.messageField(requestField.inputs, entry);
  }
  for (const name of outputFilter) writer.stringField(requestField.outputFilter, name);
  writeParameters(writer, parameters);
  return writer.finish();
}

function specWriter({ name, version, versionLabel, signatureName }: ModelSpec): MessageWriter {
  const writer = new MessageWriter().stringField(specField.name, name);
  if (version !== undefined) writer.varintField(specField.version, version);
  else if (versionLabel !== undefined) writer.stringField(specField.versionLabel, versionLabel);
  if (signatureName) writer.stringField(specField.signatureName, signatureName);
  return writer;
}

function tensorWriter(tensor: Tensor): MessageWriter {
  const shape = new MessageWriter();
  for (const extent of tensor.shape) shape.varint(extent);
  const writer = new MessageWriter()
    .stringField(tensorField.dtype, tensor.dtype)
    .messageField(tensorField.shape, shape);
  if (tensor.dtype !== "BYTES") return writer.bytesField(tensorField.data, tensor.data);
  const elements = new MessageWriter();
  for (const element of tensor.elements) elements.bytesField(1, element);
  return writer.messageField(tensorField.elements, elements);
}

/**
 * Reads a `tensorgate.v1.PredictResponse`; the tensors view `message`.
 *
 * @param budget - charged before anything is built
 * @throws TooLargeError if the message has more elements than the budget
 * @throws RangeError if dtype, shape and data of a tensor do not agree, and what protobuf throws for other bytes
 */
export function scoreResponseFromPeer(
  message: Uint8Array,
  asked: ModelSpec,
  budget: WorkBudget,
): ScoreResponse {
  chargeMessage(PredictResponseSchema, message, budget);
  const { model, outputs } = fromBinary(PredictResponseSchema, message, {
    readUnknownFields: false,
  });
  return {
    model: { name: model?.name || asked.name, version: model?.version ?? asked.version ?? 0n },
    outputs: new Map(
      Object.entries(outputs).map(([name, tensor]) => [name, tensorFromPeer(tensor)]),
    ),
  };
}

/** TensorFlow knows no more than 254 axes. */
const maxRank = 254;

function tensorFromPeer({ dtype, shape: extents, values }: TensorMessage): Tensor {
  if (extents.length > maxRank) throw new RangeError(`a rank of ${extents.length}`);
  const shape = extents.map(Number);
  const isShape = shape.every((extent) => Number.isSafeInteger(extent) && extent >= 0);
  if (!isShape) throw new RangeError(`shape [${shape}]`);
  if (dtype === "BYTES") {
    return bytesTensor(shape, values.case === "elements" ? values.value.elements : []);
  }
  if (!isFixedSizeDType(dtype)) throw new RangeError(`unknown dtype "${dtype}"`);
  return fixedSizeTensor(dtype, shape, values.case === "data" ? values.value : new Uint8Array());
}

function isFixedSizeDType(dtype: string): dtype is FixedSizeDType {
  return Object.hasOwn(bytesPerElement, dtype);
}
