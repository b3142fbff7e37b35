import {
  type CallContext,
  defaultSignatureName,
  type EncodedCall,
  type ModelSpec,
  type ScoreRequest,
  type ScoreResponse,
  ScoringError,
  type Tasks,
  UnsupportedMediaError,
  UpstreamAnsweredError,
} from "@tensorgate/core";
import { grpcCode } from "@tensorgate/grpc";
import {
  askedModelOf,
  InputParsingError,
  joined,
  MalformedMessageError,
  predictResponseSegments,
  readPredictRequest,
  ServingError,
  servingErrors,
  withModelName,
} from "@tensorgate/tf-serving";
import { visibleModels } from "../access/access.ts";

/** A call of TensorFlow Serving's API, whichever protocol it came by. */
export interface ServingCall {
  readonly call: CallContext;
  readonly tasks: Tasks;
  /** Path of a service, as clients of FPGA containers name the model: `/api/v1/service/resnet50`. */
  readonly serviceRoute?: string | undefined;
}

/** Header with the path of a service. */
export const serviceRouteHeader = "x-ms-aml-grpc-service-route";

/** Runs a scoring call as its caller encoded it. @returns the response, encoded */
export async function scoreEncoded(
  encoded: EncodedCall,
  { call, tasks, serviceRoute }: ServingCall,
): Promise<ScoreResponse & { readonly encoded: Uint8Array }> {
  const asked = readAsServed(() => askedModelOf(encoded));
  const modelSpec = servingModel(asked, { call, tasks, serviceRoute });
  const named = asked?.name === modelSpec.name ? encoded : withModelName(encoded, modelSpec.name);
  return inServingWords(modelSpec, async () => {
    const response = await tasks.score(
      { modelSpec, ...servingRequest(named, modelSpec, tasks) },
      call,
    );
    return { ...response, encoded: response.encoded ?? encodedResponse(response, modelSpec) };
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
  tasks: Tasks,
): Omit<ScoreRequest, "modelSpec"> {
  const { method, message } = encoded;
  const hasWireNames = true;
  if (method !== "Predict") return { encoded, hasWireNames, inputs: new Map(), outputFilter: [] };
  const { inputNames, outputFilter, dtype, input } = readAsServed(() =>
    readPredictRequest(message),
  );
  // A tensor that cannot be read is the caller's fault wherever it is found, and no replica's.
  const inputs = lazyMap(() =>
    readAsServed(() => new Map(inputNames.map((name) => [name, input(name)]))),
  );
  const pictureInputs = tasks.pictureInputs(modelSpec);
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
 * The model that a call means: the one that it names, or that its service route names, or the only one there is.
 *
 * @throws UpstreamAnsweredError in the original's words if it names none
 * @throws ForbiddenError if the caller's key is not for it
 */
export function servingModel(
  asked: ModelSpec | undefined,
  { call, tasks, serviceRoute }: ServingCall,
): ModelSpec {
  const name =
    asked?.name || tasks.modelOfService(serviceName(serviceRoute)) || onlyModel(call, tasks);
  if (name === undefined) {
    throw answered(asked ? servingErrors.missingModelName() : servingErrors.missingModelSpec());
  }
  call.caller?.assertMayUse(name);
  return { ...asked, name };
}

const serviceName = (route = "") => route.split("/").at(-1) ?? "";

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
    if (versionLabel !== undefined) throw answered(servingErrors.unknownVersionLabel(versionLabel));
    throw answered(version === undefined ? words.model(name) : words.version(name, version));
  }
}

/** An error with the code and the text that the original has for it. */
export function answered(error: ServingError): UpstreamAnsweredError {
  return new UpstreamAnsweredError(error.message, error.grpcCode, { cause: error });
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

/** A map that is made when something of it is asked for. */
function lazyMap<Key, Value>(make: () => ReadonlyMap<Key, Value>): ReadonlyMap<Key, Value> {
  let made: ReadonlyMap<Key, Value> | undefined;
  const map = () => {
    made ??= make();
    return made;
  };
  return {
    get size() {
      return map().size;
    },
    get: (key) => map().get(key),
    has: (key) => map().has(key),
    keys: () => map().keys(),
    values: () => map().values(),
    entries: () => map().entries(),
    forEach: (visit) => map().forEach(visit),
    [Symbol.iterator]: () => map()[Symbol.iterator](),
  };
}
