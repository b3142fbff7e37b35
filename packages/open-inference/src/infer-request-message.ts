import { MessageWriter, NotSupportedError, type Parameters, type Tensor } from "@tensorgate/core";
import { isDatatype } from "./datatype.ts";
import { writeParameters } from "./parameter-message.ts";
import { tensorSegments } from "./tensor-bytes.ts";

/** A request as it is sent to a server. */
export interface InferRequestMessage {
  readonly modelName: string;
  /** Empty for the version that the server picks. */
  readonly modelVersion: string;
  readonly id: string;
  readonly parameters?: Parameters;
  readonly inputs: ReadonlyMap<string, Tensor>;
  /** Names of the outputs that are asked for; empty for all. */
  readonly outputs: readonly string[];
}

/**
 * Frames a `ModelInferRequest` around its tensors, which are raw: the form that every server reads for every datatype.
 * A picture among them is the very bytes that were handed in.
 *
 * @throws NotSupportedError for an input whose type the protocol does not have
 */
export function inferRequestSegments(request: InferRequestMessage): readonly Uint8Array[] {
  const { modelName, modelVersion, id, parameters, inputs, outputs } = request;
  const writer = new MessageWriter().stringField(1, modelName);
  if (modelVersion) writer.stringField(2, modelVersion);
  if (id) writer.stringField(3, id);
  writeParameters(writer, parameters);
  for (const [name, tensor] of inputs) writer.messageField(5, inputWriter(name, tensor));
  for (const name of outputs) writer.messageField(6, new MessageWriter().stringField(1, name));
  for (const tensor of inputs.values()) writer.segmentsField(7, tensorSegments(tensor));
  return writer.finish();
}

function inputWriter(name: string, { dtype, shape }: Tensor): MessageWriter {
  if (!isDatatype(dtype)) {
    throw new NotSupportedError(
      `input "${name}" is ${dtype}, which the Open Inference Protocol does not have`,
      { field: name, hint: "the model's servers speak only this protocol" },
    );
  }
  const extents = new MessageWriter();
  for (const extent of shape) extents.varint(extent);
  const writer = new MessageWriter().stringField(1, name).stringField(2, dtype);
  return shape.length > 0 ? writer.messageField(3, extents) : writer;
}
