import { elementCount, MessageWriter, type Tensor } from "@tensorgate/core";
import { type Datatype, outputDatatype } from "./datatype.ts";
import { type IntegerDatatype, integerReaders } from "./integers.ts";
import type { InferResponse } from "./rest/infer-response.ts";
import { tensorSegments } from "./tensor-bytes.ts";
import { type ContentsType, contentsField } from "./tensor-contents.ts";

/** A response as a `ModelInferResponse`. */
export interface InferResponseMessage extends Omit<InferResponse, "outputs"> {
  readonly outputs: readonly { readonly name: string; readonly tensor: Tensor }[];
  /** Whether the values go into `raw_output_contents`; otherwise into contents, if they have a field there and are few. */
  readonly isRaw: boolean;
}

/** Most values that are written as contents, one by one; more go as raw bytes, which every client reads, too. */
const maxContentValues = 65_536;

/**
 * Writes a response; a large output is not copied.
 *
 * @throws NotSupportedError for an output whose type the protocol does not have
 */
export function inferResponseSegments(response: InferResponseMessage): readonly Uint8Array[] {
  return responseWriter(response).finish();
}

/** Writes the answer to a message of a stream, which is the only one to that message. */
export function streamResponseSegments(response: InferResponseMessage): readonly Uint8Array[] {
  const writer = responseWriter(response, new Map([["triton_final_response", true]]));
  return new MessageWriter().messageField(2, writer).finish();
}

/** Writes why a message of a stream failed. Clients find the request by its id. */
export function streamErrorSegments(
  text: string,
  { id, modelName }: Pick<InferResponse, "id" | "modelName">,
): readonly Uint8Array[] {
  const response = { id, modelName, modelVersion: "", outputs: [], isRaw: true };
  return new MessageWriter()
    .stringField(1, text)
    .messageField(2, responseWriter(response))
    .finish();
}

function responseWriter(
  { modelName, modelVersion, id, outputs, isRaw }: InferResponseMessage,
  flags: ReadonlyMap<string, boolean> = new Map(),
): MessageWriter {
  const writer = new MessageWriter();
  if (modelName) writer.stringField(1, modelName);
  if (modelVersion) writer.stringField(2, modelVersion);
  if (id) writer.stringField(3, id);
  for (const [name, value] of flags) {
    const parameter = new MessageWriter().varintField(1, Number(value));
    writer.messageField(4, new MessageWriter().stringField(1, name).messageField(2, parameter));
  }
  const typed = outputs.map(({ name, tensor }) => ({
    name,
    tensor,
    datatype: outputDatatype(name, tensor.dtype),
  }));
  const hasContents = !isRaw && typed.every(isFewContents);
  for (const output of typed) writer.messageField(5, outputWriter(output, hasContents));
  if (!hasContents) {
    for (const { tensor } of outputs) writer.segmentsField(6, tensorSegments(tensor));
  }
  return writer;
}

interface TypedOutput {
  readonly name: string;
  readonly datatype: Datatype;
  readonly tensor: Tensor;
}

function isFewContents({ datatype, tensor }: TypedOutput): boolean {
  return Object.hasOwn(contentsField, datatype) && elementCount(tensor.shape) <= maxContentValues;
}

function outputWriter({ name, datatype, tensor }: TypedOutput, hasContents: boolean) {
  const shape = new MessageWriter();
  for (const extent of tensor.shape) shape.varint(extent);
  const writer = new MessageWriter().stringField(1, name).stringField(2, datatype);
  if (tensor.shape.length > 0) writer.messageField(3, shape);
  return hasContents ? writer.messageField(5, contentsWriter(datatype, tensor)) : writer;
}

/** Writes `InferTensorContents`: numbers in one packed field. */
function contentsWriter(datatype: Datatype, tensor: Tensor): MessageWriter {
  const field = contentsField[datatype as ContentsType];
  const writer = new MessageWriter();
  if (tensor.dtype === "BYTES") {
    for (const element of tensor.elements) writer.bytesField(field, element);
    return writer;
  }
  const { data } = tensor;
  if (datatype === "FP32" || datatype === "FP64") return writer.bytesField(field, data);
  const read = integerReaders[datatype as IntegerDatatype];
  const count = elementCount(tensor.shape);
  const size = data.byteLength / count;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const packed = new MessageWriter();
  for (let index = 0; index < count; index += 1) {
    const value = read(view, index * size);
    // A negative number takes all ten bytes of a varint.
    packed.varint(value < 0 ? BigInt(value) : value);
  }
  return writer.messageField(field, packed);
}
