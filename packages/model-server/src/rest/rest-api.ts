import {
  type Clock,
  createWorkBudget,
  defaultSignatureName,
  type ModelSpec,
  TooLargeError,
  type Weights,
} from "@tensorgate/core";
import { grpcCode } from "@tensorgate/grpc";
import {
  classificationAnswerJson,
  httpStatusFromGrpcCode,
  inputTypeNames,
  invalidArgument,
  type JsonBody,
  joined,
  MalformedMessageError,
  modelMetadataJson,
  modelSpecFromPath,
  modelStatusJson,
  predictAnswerJson,
  readExampleBody,
  readJsonBody,
  readModelPath,
  readPredictBody,
  regressionAnswerJson,
  restErrorBody,
  ServingError,
  serializedExamples,
  servingErrors,
} from "@tensorgate/tf-serving";
import type { ServingMetrics } from "../metrics/serving-metrics.ts";
import { classify, receivedRequest, regress } from "../service/inference-service.ts";
import { type LoadedModels, resolveServable } from "../service/loaded-models.ts";
import { statusOf } from "../service/model-service.ts";
import { metadataOf } from "../service/prediction-service.ts";
import { unlessLate } from "./unless-late.ts";

export interface RestRequest {
  readonly method: string;
  /** Path with its query, which no route knows. */
  readonly target: string;
  readonly body: Uint8Array;
  /** Whether the client has closed the request. */
  readonly isAbandoned: () => boolean;
}

export interface RestAnswer {
  readonly status: number;
  readonly body: Uint8Array | string;
  /** Of the model that answered. */
  readonly weights?: Weights;
}

export interface RestApiDeps {
  readonly models: LoadedModels;
  /** Time limit of a call, in milliseconds. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly metrics: ServingMetrics;
}

/** Values of one body that are no regular arrays of numbers. */
const maxElements = 600_000;

/** Creates TensorFlow Serving's REST API for paths below `/v1/`. Every answer is JSON. */
export function createRestApi({
  models,
  timeoutMs,
  clock,
  metrics,
}: RestApiDeps): (request: RestRequest) => Promise<RestAnswer> {
  return async (request) => {
    const startedAtMs = clock.nowMs();
    const record = (code: number) => {
      const { model = "", verb: api = "" } = readModelPath(request.method, request.target) ?? {};
      const known = models.statuses(model).length > 0 ? model : "";
      const durationMs = clock.nowMs() - startedAtMs;
      metrics.record({
        model: known,
        api: api.toLowerCase(),
        entrypoint: "REST",
        code,
        durationMs,
      });
    };
    try {
      const answered = await unlessLate(answer(models, request), { timeoutMs, clock });
      record(answered.status === 200 ? grpcCode.OK : grpcCode.INVALID_ARGUMENT);
      return answered;
    } catch (thrown) {
      const error = restError(thrown);
      record(error.grpcCode);
      const status = httpStatusFromGrpcCode(error.grpcCode);
      return { status, body: restErrorBody(error.message) };
    }
  };
}

async function answer(models: LoadedModels, request: RestRequest): Promise<RestAnswer> {
  const { method, target, body } = request;
  const path = readModelPath(method, target);
  if (!path) throw malformed(request);
  const spec = modelSpecFromPath(path);
  // The original has no body for a version beyond int64 either.
  if (!spec) return { status: 400, body: "" };
  if (method === "GET") {
    if (spec.name === "") throw invalidArgument("Missing model name in request.");
    // Metadata that is not written as it should be shows the status.
    const json =
      path.verb === "metadata"
        ? modelMetadataJson(metadataOf(models, spec))
        : modelStatusJson(statusOf(models, spec));
    return { status: 200, body: json };
  }
  const task = tasks.get(path.verb);
  if (!task) throw malformed(request);
  const json = readJsonBody(body, createWorkBudget(maxElements));
  return task({ models, spec: { ...spec, signatureName: json.signatureName }, json, request });
}

function malformed({ method, target }: RestRequest): ServingError {
  return invalidArgument(`Malformed request: ${method} ${target}`);
}

interface Task {
  readonly models: LoadedModels;
  readonly spec: ModelSpec;
  readonly json: JsonBody;
  readonly request: RestRequest;
}

/** What is done with a body, by the verb behind the colon. */
const tasks: ReadonlyMap<string, (task: Task) => Promise<RestAnswer>> = new Map([
  ["predict", predictBody],
  ["classify", classifyBody],
  ["regress", regressBody],
]);

async function predictBody({ models, spec, json, request }: Task): Promise<RestAnswer> {
  const servable = resolveServable(models, spec);
  const signatureName = spec.signatureName || defaultSignatureName;
  const signature = servable.signatures.get(signatureName);
  if (!signature) throw servingErrors.unknownRestSignature(signatureName);
  const { format, inputs } = readPredictBody(json, inputTypeNames(signature));
  const received = receivedRequest(inputs, { modelSpec: spec });
  const { outputs } = await servable.predict(received, request.isAbandoned);
  return {
    status: 200,
    body: joined([...predictAnswerJson(outputs, format)]),
    weights: servable.weights,
  };
}

async function classifyBody({ models, spec, json, request }: Task): Promise<RestAnswer> {
  const examples = serializedExamples(readExampleBody(json));
  const call = { modelSpec: spec, examples, isAbandoned: request.isAbandoned };
  const { result } = await classify(models, call);
  return { status: 200, body: joined([...classificationAnswerJson(result.classifications)]) };
}

async function regressBody({ models, spec, json, request }: Task): Promise<RestAnswer> {
  const examples = serializedExamples(readExampleBody(json));
  const call = { modelSpec: spec, examples, isAbandoned: request.isAbandoned };
  const { result } = await regress(models, call);
  return { status: 200, body: joined([...regressionAnswerJson(result.regressions)]) };
}

/** Any other error is either a malformed message, or internal. */
function restError(thrown: unknown): ServingError {
  if (thrown instanceof ServingError) return thrown;
  if (thrown instanceof MalformedMessageError || thrown instanceof TooLargeError) {
    return invalidArgument(`the request could not be read: ${thrown.message}`);
  }
  return new ServingError(grpcCode.INTERNAL, "internal error", { cause: thrown });
}
