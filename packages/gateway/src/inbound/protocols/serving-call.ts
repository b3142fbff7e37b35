import { type DescMessage, fromBinary, type MessageShape } from "@bufbuild/protobuf";
import {
  type CallContext,
  createWorkBudget,
  defaultSignatureName,
  type EncodedCall,
  type ModelSpec,
  type ModelTasks,
  type ScoreRequest,
  type ScoreResponse,
  ScoringError,
  type Tasks,
  UnsupportedMediaError,
  UpstreamAnsweredError,
  UpstreamFailedError,
} from "@tensorgate/core";
import { grpcCode } from "@tensorgate/grpc";
import {
  askedModelOf,
  chargeMessage,
  InputParsingError,
  joined,
  MalformedMessageError,
  predictResponseSegments,
  readPredictRequest,
  ServingError,
  servingErrors,
  withModelSpec,
} from "@tensorgate/tf-serving";
import { visibleModels } from "../access/access.ts";
import { wireStatusOf } from "./wire-status.ts";

/** A call of TensorFlow Serving's API, whichever protocol it came by. */
export interface ServingCall {
  readonly call: CallContext;
  readonly tasks: Tasks;
  /** The model that the path of the call names; fails if there is none such. */
  readonly model?: (() => ModelTasks) | undefined;
  /** Path of a service, as clients of FPGA containers name the model: `/api/v1/service/resnet50`. */
  readonly serviceRoute?: string | undefined;
  /** Model of calls that name none. */
  readonly unnamedModel?: string | undefined;
}

/** What the original says of a model spec without a name. */
export type MissingNameError = (asked: ModelSpec) => ServingError;

export const serviceRouteHeader = "x-ms-aml-grpc-service-route";

/**
 * Runs a scoring call as its caller encoded it. A `Predict` that names neither a model nor outputs is that of a client
 * of an FPGA container, and is answered as a container answers.
 *
 * @returns the response, encoded
 */
export async function scoreEncoded(
  encoded: EncodedCall,
  serving: ServingCall,
): Promise<ScoreResponse & { readonly encoded: Uint8Array }> {
  const { call, tasks } = serving;
  const asked = readAsServed(() => askedModelOf(encoded));
  const modelSpec = servingModel(asked, serving);
  const isAsAsked = asked?.name === modelSpec.name && asked.version === modelSpec.version;
  const named = isAsAsked ? encoded : withModelSpec(encoded, modelSpec);
  return inServingWords(modelSpec, async () => {
    const model = isAsAsked && serving.model ? serving.model() : tasks.resolve(modelSpec, call);
    const request = { modelSpec, ...servingRequest(named, modelSpec, model) };
    const isContainerCall =
      !asked?.name && encoded.method === "Predict" && request.outputFilter.length === 0;
    const response = isContainerCall
      ? await blamingArguments(() => model.scoreAsContainer(request, call))
      : await model.score(request, call);
    return { ...response, encoded: response.encoded ?? encodedResponse(response, modelSpec) };
  });
}

/** Elements of a response that is decoded here, fields, entries and numbers; and its bytes, which JSON may make six of. */
const maxResponseElements = 262_144;
const maxResponseBytes = 4_194_304;

/**
 * Decodes a response that its caller gets as JSON; counted before anything is built of it. Beyond the limit the call
 * fails, and no replica is to blame: as bytes its caller could have had it.
 *
 * @throws UpstreamFailedError if it has more than 262,144 elements or 4 MiB, or is malformed
 */
export function decodeResponse<Desc extends DescMessage>(
  schema: Desc,
  encoded: Uint8Array,
): MessageShape<Desc> {
  if (encoded.byteLength > maxResponseBytes) throw tooLongInJson(`${maxResponseBytes} bytes`);
  try {
    chargeMessage(schema, encoded, createWorkBudget(maxResponseElements));
  } catch (cause) {
    throw tooLongInJson(`${maxResponseElements} fields and values`, cause);
  }
  return fromBinary(schema, encoded, { readUnknownFields: false });
}

/** @param limit - what a response may have to be written as JSON */
export function tooLongInJson(limit: string, cause?: unknown): UpstreamFailedError {
  return new UpstreamFailedError("the replica's response cannot be written as JSON", {
    cause,
    hint: `ask for fewer results, or in binary; JSON is written of at most ${limit}`,
  });
}

/** Name of the model that a call gives, for records; empty where it gives none, or cannot be read. */
export function askedNameOf(encoded: EncodedCall): string {
  try {
    return askedModelOf(encoded)?.name ?? "";
  } catch {
    return "";
  }
}

/** The tensors of a `Predict` are read only if a replica needs them, or a picture among them is to be prepared. */
function servingRequest(
  encoded: EncodedCall,
  modelSpec: ModelSpec,
  model: ModelTasks,
): Omit<ScoreRequest, "modelSpec"> {
  const { method, message } = encoded;
  const hasWireNames = true;
  if (method !== "Predict") return { encoded, hasWireNames, inputs: new Map(), outputFilter: [] };
  const { inputNames, outputFilter, dtype, input } = readAsServed(() =>
    readPredictRequest(message),
  );
  // A tensor that cannot be read is the caller's fault wherever it is found, and no replica's.
  const inputs = lazyMap(inputNames, (name) => readAsServed(() => input(name)));
  const pictureInputs = model.pictureInputs(modelSpec);
  const hasPictures = inputNames.some((name) => pictureInputs.has(name) && dtype(name) === "BYTES");
  return { inputs, outputFilter, hasWireNames, ...(!hasPictures && { encoded }) };
}

function encodedResponse({ model, outputs }: ScoreResponse, asked: ModelSpec): Uint8Array {
  const { signatureName } = asked;
  return joined(
    predictResponseSegments({
      model,
      outputs,
      signatureName: signatureName || defaultSignatureName,
    }),
  );
}

/**
 * The model that a call means: the one that it names, or that its service route names, or that of calls without a name,
 * or the only one that there is.
 *
 * @throws UpstreamAnsweredError in the original's words if it names none
 * @throws ForbiddenError if the caller's key is not for it
 */
export function servingModel(
  asked: ModelSpec | undefined,
  { call, tasks, serviceRoute, unnamedModel }: ServingCall,
  missingName: MissingNameError = servingErrors.missingModelName,
): ModelSpec {
  const service = serviceRoute?.split("/").at(-1) ?? "";
  const name =
    asked?.name || tasks.modelOfService(service) || unnamedModel || onlyModel(call, tasks);
  if (name === undefined) {
    const error = asked ? missingName(asked) : servingErrors.missingModelSpec();
    throw answered(error, service && `no model has the service "${service}"`);
  }
  call.caller?.assertMayUse(name);
  return withoutVersion0({ ...asked, name }, { call, tasks });
}

/** Clients of OpenVINO's model server (ovmsclient) send version 0 for the newest one, unless there is such a version. */
function withoutVersion0(
  spec: ModelSpec,
  { call, tasks }: Pick<ServingCall, "call" | "tasks">,
): ModelSpec {
  const { version, ...rest } = spec;
  if (version !== 0n) return spec;
  const models = tasks.catalog.list(call.hints.residency);
  const model = models.find(({ name }) => name === spec.name);
  return !model || model.versions.includes(0n) ? spec : rest;
}

function onlyModel(call: CallContext, { catalog }: Tasks): string | undefined {
  const [only, ...others] = visibleModels(call, catalog);
  return others.length === 0 ? only?.name : undefined;
}

/** What the original says of a model that it does not have. */
export interface AbsentWords {
  readonly model: (name: string) => ServingError;
  readonly version: (name: string, version: bigint) => ServingError;
}

const servableWords: AbsentWords = {
  model: (name) => servingErrors.servableNotFound(name),
  version: (name, version) => servingErrors.servableNotFound(name, version),
};

/** Answers, and reports a model or version that is not there as TensorFlow Serving reports one that it has not loaded. */
export async function inServingWords<Answer>(
  { name, version, versionLabel }: ModelSpec,
  answer: () => Promise<Answer> | Answer,
  words: AbsentWords = servableWords,
): Promise<Answer> {
  try {
    return await answer();
  } catch (thrown) {
    const cause = servedError(thrown);
    const isAbsent =
      ScoringError.is(cause) &&
      (cause.reason === "unknown-model" || cause.reason === "unknown-version");
    if (!isAbsent) throw cause;
    if (versionLabel !== undefined) {
      throw answered(servingErrors.unknownVersionLabel(versionLabel), cause.hint);
    }
    throw answered(version === undefined ? words.model(name) : words.version(name, version));
  }
}

/** An error with the code and the text that the original has for it. */
export function answered(error: ServingError, hint = ""): UpstreamAnsweredError {
  return new UpstreamAnsweredError(error.message, error.grpcCode, {
    cause: error,
    ...(hint && { hint }),
  });
}

/** Reads a part of a request. @throws UpstreamAnsweredError in the original's words if it is malformed */
function readAsServed<Value>(read: () => Value): Value {
  try {
    return read();
  } catch (thrown) {
    throw servedError(thrown);
  }
}

/** An error of our readers with the code and text of the original, to which a picture is an argument; any other one as it is. */
function servedError(thrown: unknown): unknown {
  if (thrown instanceof UnsupportedMediaError && !thrown.isEncoding) {
    return new UpstreamAnsweredError(thrown.message, grpcCode.INVALID_ARGUMENT, { cause: thrown });
  }
  if (thrown instanceof ServingError) return answered(thrown);
  if (thrown instanceof InputParsingError)
    return answered(servingErrors.tensorParsing(thrown.alias));
  if (thrown instanceof MalformedMessageError) {
    return answered(servingErrors.malformedMessage(thrown.message));
  }
  return thrown;
}

/** Codes of a caller's mistakes, beside INVALID_ARGUMENT. */
const mistakeCodes: ReadonlySet<number> = new Set([
  grpcCode.NOT_FOUND,
  grpcCode.ALREADY_EXISTS,
  grpcCode.FAILED_PRECONDITION,
  grpcCode.OUT_OF_RANGE,
  grpcCode.UNIMPLEMENTED,
]);

/** Reports every mistake of the caller as INVALID_ARGUMENT: clients of containers retry all other codes. */
async function blamingArguments<Answer>(answer: () => Promise<Answer>): Promise<Answer> {
  try {
    return await answer();
  } catch (thrown) {
    if (!ScoringError.is(thrown) || !mistakeCodes.has(wireStatusOf(thrown).grpc)) throw thrown;
    throw new UpstreamAnsweredError(thrown.message, grpcCode.INVALID_ARGUMENT, { cause: thrown });
  }
}

/** A map whose values are made when they are asked for, once each. */
function lazyMap<Value>(
  names: readonly string[],
  make: (name: string) => Value,
): ReadonlyMap<string, Value> {
  const known = new Set(names);
  const made = new Map<string, Value>();
  const get = (name: string): Value => {
    const value = made.has(name) ? (made.get(name) as Value) : make(name);
    made.set(name, value);
    return value;
  };
  function* entries(): MapIterator<[string, Value]> {
    for (const name of names) yield [name, get(name)];
  }
  function* values(): MapIterator<Value> {
    for (const name of names) yield get(name);
  }
  const map: ReadonlyMap<string, Value> = {
    size: known.size,
    get: (name) => (known.has(name) ? get(name) : undefined),
    has: (name) => known.has(name),
    keys: () => known.keys(),
    values,
    entries,
    forEach: (visit) => {
      for (const [name, value] of entries()) visit(value, name, map);
    },
    [Symbol.iterator]: entries,
  };
  return map;
}
