import {
  createWorkBudget,
  type Duration,
  InvalidRequestError,
  parseJsonBody,
} from "@tensorgate/core";
import {
  type InferRequest,
  objectAt,
  rawInferRequest,
  readInferBody,
  readJsonLength,
  writeInferResponse,
} from "@tensorgate/open-inference";
import { joined } from "@tensorgate/tf-serving";
import type { Exchange } from "../../server/exchange.ts";
import { type DescribedModel, type TensorMetadata, versionTexts } from "../described-model.ts";
import type { HttpAnswer } from "../http-handler.ts";
import type { Inference } from "../inference-call.ts";
import { type CountedModel, platform } from "../inference-server.ts";
import type { HttpBody } from "../negotiation.ts";
import { tensorBytes, writtenAnswer } from "../written-answer.ts";

/** Elements of one request: values and keys of the JSON, and elements of BYTES. */
const maxElements = 600_000;

/** How often a body is in memory: as text, as values, and as tensors. */
const bodyCopies = 4;

const lengthHeader = "inference-header-content-length";

export function jsonBody(value: unknown): HttpBody {
  return { contentType: "application/json", body: JSON.stringify(value) };
}

/**
 * Reads the body of an inference request: JSON, JSON with binary data, or the bytes of the only input.
 *
 * @param described - looked up only for a body without JSON
 */
export async function readInferRequest(
  exchange: Exchange,
  maxBodyBytes: number,
  described: () => Promise<DescribedModel>,
): Promise<InferRequest> {
  const header = exchange.header(lengthHeader);
  const copyCount = header === undefined ? bodyCopies : 1;
  const body = await exchange.body(maxBodyBytes, copyCount);
  const budget = createWorkBudget(maxElements);
  if (header === undefined) return readInferBody(body, budget);
  const jsonBytes = readJsonLength(header, body.byteLength);
  if (jsonBytes > 0) return readInferBody(body, budget, jsonBytes);
  const { description, inputs } = await described();
  const [input] = inputs;
  if (input && inputs.length === 1) return rawInferRequest(body, input);
  throw new InvalidRequestError(
    `model "${description.name}" has ${inputs.length} inputs; a body without JSON is the only one`,
    { field: lengthHeader },
  );
}

/** Writes the response to a request, with its outputs in the forms that it asked for. */
export async function inferAnswer(
  { id, isBinaryOutput }: InferRequest,
  { model, region, outputs }: Inference,
  call: Parameters<typeof writtenAnswer>[1],
): Promise<HttpAnswer> {
  const written = writeInferResponse({
    id,
    modelName: model.name,
    modelVersion: model.version > 0n ? String(model.version) : "",
    outputs: outputs.map(({ name, tensor, requested }) => ({
      name,
      tensor,
      isBinary: requested?.isBinary ?? isBinaryOutput,
    })),
  });
  const sourceBytes = tensorBytes(outputs.map(({ tensor }) => tensor));
  const json = await writtenAnswer(written.json, call, sourceBytes);
  const info = { model, ...(region !== undefined && { region }) };
  if (!written.isBinary) return { contentType: "application/json", body: json, ...info };
  return {
    contentType: "application/octet-stream",
    headers: { [lengthHeader]: String(json.byteLength) },
    body: joined([json, ...written.blobs]),
    ...info,
  };
}

/** A model's metadata. */
export function metadataJson({ description, inputs, outputs }: DescribedModel): HttpBody {
  return jsonBody({
    name: description.name,
    versions: versionTexts(description),
    platform,
    inputs,
    outputs,
  });
}

/** The part of Triton's model configuration that clients read: tensors, and that shapes have their batch axis. */
export function configJson({ description, inputs, outputs }: DescribedModel): HttpBody {
  const tensorConfig = ({ name, datatype, shape }: TensorMetadata) => ({
    name,
    data_type: datatype === "BYTES" ? "TYPE_STRING" : `TYPE_${datatype}`,
    dims: shape,
  });
  return jsonBody({
    name: description.name,
    platform,
    max_batch_size: 0,
    input: inputs.map(tensorConfig),
    output: outputs.map(tensorConfig),
  });
}

/** What has become of the calls of models, in Triton's words; times are in nanoseconds. */
export function statisticsJson(models: readonly CountedModel[]): HttpBody {
  return jsonBody({
    model_stats: models.map(({ name, version, counts }) => ({
      name,
      version,
      inference_count: counts.success.count,
      execution_count: counts.computeInfer.count,
      inference_stats: {
        success: nanoseconds(counts.success),
        fail: nanoseconds(counts.fail),
        queue: nanoseconds(counts.queue),
        compute_input: nanoseconds(counts.computeInput),
        compute_infer: nanoseconds(counts.computeInfer),
        compute_output: nanoseconds(counts.computeOutput),
        cache_hit: nanoseconds(counts.cacheHit),
        cache_miss: nanoseconds(counts.cacheMiss),
      },
    })),
  });
}

const nanoseconds = ({ count, ms }: Duration) => ({ count, ns: Math.round(ms * 1e6) });

/** Reads the body of an index request: whether only models that can be scored are asked for. */
export async function readIndexRequest(exchange: Exchange, maxBodyBytes: number): Promise<boolean> {
  const body = await exchange.body(maxBodyBytes);
  if (body.byteLength === 0) return false;
  const { ready = false } = objectAt(
    parseJsonBody(body, createWorkBudget(maxElements)),
    "the body",
  );
  if (typeof ready === "boolean") return ready;
  throw new InvalidRequestError("ready must be true or false", { field: "ready" });
}
