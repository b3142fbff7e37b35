import type { Tensor } from "@tensorgate/core";
import { outputDatatype } from "../datatype.ts";
import { valuesJson } from "../json/json-text.ts";
import { tensorSegments } from "../tensor-bytes.ts";

/** An output of a response, in the form that its caller asked for. */
export interface ResponseOutput {
  readonly name: string;
  readonly tensor: Tensor;
  readonly isBinary: boolean;
}

export interface InferResponse {
  readonly modelName: string;
  /** Empty if the model has no versions. */
  readonly modelVersion: string;
  /** Empty if the request had none. */
  readonly id: string;
  readonly outputs: readonly ResponseOutput[];
}

/** A response in parts: the JSON in pieces, and the binary tensors that follow it. */
export interface WrittenResponse {
  /** Of about 16 KiB at most. */
  readonly json: Iterable<Uint8Array>;
  /** One after the other; empty if no output is binary. */
  readonly blobs: readonly Uint8Array[];
  /** Whether some output is binary, so that the header must give the length of the JSON. */
  readonly isBinary: boolean;
}

/**
 * Writes a response.
 *
 * @throws NotSupportedError for an output whose type the protocol does not have; while the JSON is written,
 *   InvalidRequestError for one that has no JSON form
 */
export function writeInferResponse(response: InferResponse): WrittenResponse {
  for (const { name, tensor } of response.outputs) outputDatatype(name, tensor.dtype);
  const binary = response.outputs.filter(({ isBinary }) => isBinary);
  return {
    json: encoded(jsonOf(response)),
    blobs: binary.flatMap(({ tensor }) => tensorSegments(tensor)),
    isBinary: binary.length > 0,
  };
}

const utf8 = new TextEncoder();

function* encoded(texts: Iterable<string>): Generator<Uint8Array> {
  for (const text of texts) yield utf8.encode(text);
}

function* jsonOf({ modelName, modelVersion, id, outputs }: InferResponse): Generator<string> {
  const head = {
    ...(id && { id }),
    model_name: modelName,
    ...(modelVersion && { model_version: modelVersion }),
  };
  // Without the brace at its end: the outputs follow.
  yield `${JSON.stringify(head).slice(0, -1)},"outputs":[`;
  for (const [index, { name, tensor, isBinary }] of outputs.entries()) {
    const { dtype: datatype, shape } = tensor;
    const comma = index === 0 ? "" : ",";
    if (isBinary) {
      const parameters = { binary_data_size: byteLengthOf(tensor) };
      yield comma + JSON.stringify({ name, datatype, shape, parameters });
      continue;
    }
    yield `${comma}${JSON.stringify({ name, datatype, shape }).slice(0, -1)},"data":[`;
    yield* valuesJson(name, tensor);
    yield "]}";
  }
  yield "]}";
}

function byteLengthOf(tensor: Tensor): number {
  return tensorSegments(tensor).reduce((sum, { byteLength }) => sum + byteLength, 0);
}
