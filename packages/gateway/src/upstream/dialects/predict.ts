import {
  type DialectNames,
  type EncodedCall,
  InvalidRequestError,
  type ModelSpec,
  NotSupportedError,
  type ResolvedRequest,
  type ScoreRequest,
  type ScoreResolved,
  type ScoreResponse,
  type Tensor,
  UnknownVersionError,
  UpstreamAnsweredError,
  UpstreamFailedError,
} from "@tensorgate/core";
import {
  answeringModelOf,
  createPredictFramer,
  createPredictReplyReader,
  type Dialect,
  type ServingError,
  servingErrors,
  underServingNames,
} from "@tensorgate/tf-serving";
import type { UnaryCall, UnaryChannel, UnaryReply } from "../transport/unary-channel.ts";
import type { ServerDialect } from "./dialect.ts";

/** A dialect that a pool can name. */
export type PredictDialect = ServerDialect & { readonly name: Dialect };

export interface PredictOptions {
  readonly dialect: PredictDialect;
  /** Translates what a call of `request` failed with. */
  readonly failure: (thrown: unknown, request: ResolvedRequest) => unknown;
  /** By model, the only signature of a server without `serving_default`. */
  readonly onlySignatures?: ReadonlyMap<string, string>;
}

/**
 * Creates a stage that scores by `Predict`.
 *
 * @throws UnknownVersionError if a version is requested, and the dialect has none
 * @throws UpstreamFailedError if the reply cannot be read, or is not what the model gives
 */
export function predictScore(
  channel: UnaryChannel,
  { dialect, failure, onlySignatures }: PredictOptions,
): ScoreResolved {
  const frame = createPredictFramer();
  const readPredictReply = createPredictReplyReader(channel.replyLimits);
  const forward = (encoded: EncodedCall, request: ResolvedRequest, call: UnaryCall) =>
    forwardEncoded({ modelSpec: request.modelSpec, encoded }, async (path, message) => {
      try {
        return await channel.unary(path, [message], call);
      } catch (thrown) {
        throw failure(thrown, request);
      }
    });

  return async (request, call) => {
    const { modelSpec, model, inputs, encoded } = request;
    if (encoded && dialect.takesEncodedCalls) return forward(encoded, request, call);
    if (encoded) assertPredict(encoded);
    if (!dialect.hasVersions) assertNoVersion(modelSpec);
    const wireNames = model.wireNames[dialect.name];
    const names = request.hasWireNames ? namesToTranslate(inputs, wireNames, dialect) : wireNames;
    let reply: UnaryReply;
    try {
      const sent = requestOnWire(request, dialect, onlySignatures);
      reply = await channel.unary(predictPath, frame(sent, names), call);
    } catch (thrown) {
      throw failure(thrown, request);
    }
    let response: ScoreResponse;
    try {
      response = readPredictReply(reply.message, modelSpec, names);
    } catch (cause) {
      throw unreadableReply(cause);
    }
    request.verify?.(response.outputs);
    return dialect.namesModels ? response : containerResponse(response, request, names);
  };
}

/** The call that all dialects but that of gateways have. */
export const predictPath = "/tensorflow.serving.PredictionService/Predict";

/** A server without names may call its model anything, and reports version 0 if it has none. */
function containerResponse(
  response: ScoreResponse,
  request: ResolvedRequest,
  names: DialectNames | undefined,
): ScoreResponse {
  const { modelSpec, model, hasWireNames } = request;
  const named = names && hasWireNames ? underServingNames(response, model) : response;
  return {
    ...named,
    model: { name: modelSpec.name, version: response.model.version },
    ...(hasWireNames && { outputs: askedOutputs(named.outputs, request) }),
  };
}

/**
 * Returns the names by which a request with names of replicas is translated; undefined if its tensors have those of the
 * dialect already: a client of TensorFlow Serving may know the graph in a container, and then gets the names of the graph
 * back.
 */
function namesToTranslate(
  inputs: ReadonlyMap<string, Tensor>,
  names: DialectNames,
  { takesEncodedCalls }: PredictDialect,
): DialectNames | undefined {
  const isOfDialect = (input: string) => (names.inputs.get(input) ?? input) === input;
  return takesEncodedCalls || [...inputs.keys()].every(isOfDialect) ? undefined : names;
}

/**
 * Applies the output filter of a call of TensorFlow Serving's API: a container returns all outputs.
 *
 * @throws UpstreamAnsweredError in the original's words
 */
export function askedOutputs(
  outputs: ReadonlyMap<string, Tensor>,
  { outputFilter }: ScoreRequest,
): ReadonlyMap<string, Tensor> {
  if (outputFilter.length === 0) return outputs;
  const asked = new Map<string, Tensor>();
  for (const name of outputFilter) {
    const tensor = outputs.get(name);
    if (!tensor) throw refused(servingErrors.unknownOutput(name, [...outputs.keys()]));
    if (asked.has(name)) throw refused(servingErrors.duplicateOutput(name));
    asked.set(name, tensor);
  }
  return asked;
}

const refused = (error: ServingError) =>
  new UpstreamAnsweredError(error.message, error.grpcCode, { cause: error });

/** Sends a call of TensorFlow Serving's API as it came, and reads of the reply only who answered. */
export async function forwardEncoded(
  { modelSpec, encoded }: { readonly modelSpec: ModelSpec; readonly encoded: EncodedCall },
  send: (path: string, message: Uint8Array) => Promise<UnaryReply>,
): Promise<ScoreResponse> {
  const { method, message } = encoded;
  const reply = await send(`/tensorflow.serving.PredictionService/${method}`, message);
  const model = readReply(() => answeringModelOf(method, reply.message, modelSpec));
  return { model, outputs: noOutputs, encoded: reply.message };
}

const noOutputs: ReadonlyMap<string, Tensor> = new Map();

/**
 * @param server - what the replica is
 * @throws NotSupportedError for a method that cannot be expressed by tensors
 */
export function assertPredict({ method }: EncodedCall, server = "an FPGA container"): void {
  if (method === "Predict") return;
  throw new NotSupportedError(`${server} supports only Predict, not ${method}`, {
    hint: "send the picture or tensor by Predict",
  });
}

/**
 * Returns what is sent of a request. A server without names returns all outputs. Otherwise, a request with our names that
 * names no signature gets the one that the configuration describes, or else the only one that the server has; clients of
 * TensorFlow Serving's API know what the original answers.
 */
function requestOnWire(
  request: ResolvedRequest,
  { namesModels }: PredictDialect,
  onlySignatures?: ReadonlyMap<string, string>,
): ScoreRequest {
  const { modelSpec, model, inputs, outputFilter, hasWireNames = false } = request;
  if (!namesModels) return { modelSpec: { name: "" }, inputs, outputFilter: [] };
  const signatureName = model.signatureName ?? onlySignatures?.get(model.name);
  if (hasWireNames || modelSpec.signatureName || signatureName === undefined) return request;
  return { modelSpec: { ...modelSpec, signatureName }, inputs, outputFilter };
}

/** @throws UnknownVersionError if a version is requested of a container, which has none */
export function assertNoVersion({ name, version, versionLabel }: ModelSpec): void {
  if (name === "") throw new InvalidRequestError("the request names no model");
  if (version === undefined && versionLabel === undefined) return;
  throw new UnknownVersionError(`model "${name}" is in an FPGA container, which has no versions`, {
    hint: "omit the version",
  });
}

/** Reads a reply. One that cannot be read is the replica's fault, so another one may be asked. */
export function readReply<Answer>(read: () => Answer): Answer {
  try {
    return read();
  } catch (cause) {
    throw unreadableReply(cause);
  }
}

function unreadableReply(cause: unknown): UpstreamFailedError {
  return new UpstreamFailedError("the replica's response cannot be decoded", { cause });
}
