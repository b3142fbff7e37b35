import { type ModelSpec, ScoringError, UpstreamAnsweredError } from "@tensorgate/core";
import {
  modelMetadataJson,
  modelStatusJson,
  restErrorBody,
  type ServingError,
  servingErrors,
} from "@tensorgate/tf-serving";
import type { Exchange } from "../../server/exchange.ts";
import type { HttpAnswer, HttpBody, HttpRoute, PathParams } from "../http-route.ts";

/** The part of TensorFlow Serving's REST API that tells of a model, to the letter. */
export function tensorflowServingRoutes(): readonly HttpRoute[] {
  const status = (path: string): HttpRoute => ({
    method: "GET",
    path,
    protocol: "tensorflow-serving-rest",
    errorBody: servingErrorBody,
    answer: async (_exchange, { call, params, tasks }) => {
      const spec = modelSpecFrom(params);
      const { name, version } = spec;
      const unknown =
        version === undefined
          ? servingErrors.noVersions(name)
          : servingErrors.noVersion(name, version);
      return json(modelStatusJson(await inServingWords(tasks.modelStatus(spec, call), unknown)));
    },
  });
  const metadata = (path: string): HttpRoute => ({
    method: "GET",
    path,
    protocol: "tensorflow-serving-rest",
    errorBody: servingErrorBody,
    answer: async (_exchange, { call, params, tasks }) => {
      const spec = modelSpecFrom(params);
      const unknown = servingErrors.servableNotFound(spec.name, spec.version);
      return json(
        modelMetadataJson(await inServingWords(tasks.modelMetadata(spec, call), unknown)),
      );
    },
  });
  return modelPaths.flatMap((path) => [status(path), metadata(`${path}/metadata`)]);
}

/** A model that no release names is told as TensorFlow Serving tells one that it has not loaded. */
async function inServingWords<Answer>(
  answer: Promise<Answer>,
  unknown: ServingError,
): Promise<Answer> {
  try {
    return await answer;
  } catch (cause) {
    if (!ScoringError.is(cause) || cause.reason !== "unknown-model") throw cause;
    throw new UpstreamAnsweredError(unknown.message, unknown.grpcCode, { cause });
  }
}

/**
 * The answer to a request below `/v1/models` that no route takes, in TensorFlow Serving's words.
 *
 * @returns undefined for any other path
 */
export function unroutedServingAnswer({ method, path }: Exchange): HttpAnswer | undefined {
  if (!/^\/v1\/models(\/|$)/i.test(path)) return undefined;
  const reply = (status: number, text: string): HttpAnswer => ({
    status,
    contentType: "application/json",
    body: restErrorBody(text),
  });
  if (method === "POST" && /:(predict|classify|regress)$/.test(path)) {
    return reply(501, "not offered by this gateway; POST a picture to /v1/classify/{model}");
  }
  if (method === "GET" && /models$/i.test(path))
    return reply(400, "Missing model name in request.");
  return reply(400, `Malformed request: ${method} ${path}`);
}

const modelPaths = [
  "/v1/models/{model}",
  "/v1/models/{model}/versions/{version}",
  "/v1/models/{model}/labels/{versionLabel}",
];

function modelSpecFrom({ model = "", version, versionLabel }: PathParams): ModelSpec {
  if (version !== undefined) {
    if (!/^\d+$/.test(version) || BigInt(version) > maxInt64) {
      throw new UpstreamAnsweredError(`Malformed request: version ${version}`, 3);
    }
    return { name: model, version: BigInt(version) };
  }
  return { name: model, ...(versionLabel !== undefined && { versionLabel }) };
}

const maxInt64 = 2n ** 63n - 1n;

function json(body: string): HttpAnswer {
  return { contentType: "application/json", body };
}

/** An error in TensorFlow Serving's own form. */
function servingErrorBody(error: ScoringError): HttpBody {
  return { contentType: "application/json", body: restErrorBody(error.message) };
}
