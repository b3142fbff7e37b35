import {
  type CallContext,
  type ModelMetadata,
  type ModelSpec,
  type ModelStatus,
  ScoringError,
  UpstreamAnsweredError,
} from "@tensorgate/core";
import {
  modelMetadataJson,
  modelStatusJson,
  restErrorBody,
  type ServingError,
  servingErrors,
} from "@tensorgate/tf-serving";
import type { Exchange, Reply } from "../../server/exchange.ts";
import type { PathParams, RestAnswer, RestRoute } from "../http-route.ts";
import { errorHeaders } from "../reply-headers.ts";
import { wireStatusOf } from "../wire-status.ts";

export type AskModel<Answer> = (modelSpec: ModelSpec, call: CallContext) => Promise<Answer>;

export interface TensorflowServingRestParts {
  readonly modelStatus: AskModel<ModelStatus>;
  readonly modelMetadata: AskModel<ModelMetadata>;
}

/** The part of TensorFlow Serving's REST API that tells of a model, to the letter. */
export function tensorflowServingRest({
  modelStatus,
  modelMetadata,
}: TensorflowServingRestParts): readonly RestRoute[] {
  const status = (path: string): RestRoute => ({
    method: "GET",
    path,
    protocol: "tensorflow-serving-rest",
    errorReply: servingErrorReply,
    answer: async (_exchange, params, call) => {
      const spec = modelSpecFrom(params);
      const { name, version } = spec;
      const unknown =
        version === undefined
          ? servingErrors.noVersions(name)
          : servingErrors.noVersion(name, version);
      return json(modelStatusJson(await inServingWords(modelStatus(spec, call), unknown)));
    },
  });
  const metadata = (path: string): RestRoute => ({
    method: "GET",
    path,
    protocol: "tensorflow-serving-rest",
    errorReply: servingErrorReply,
    answer: async (_exchange, params, call) => {
      const spec = modelSpecFrom(params);
      const unknown = servingErrors.servableNotFound(spec.name, spec.version);
      return json(modelMetadataJson(await inServingWords(modelMetadata(spec, call), unknown)));
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
export function unroutedServingReply({ method, path }: Exchange): Reply | undefined {
  if (!/^\/v1\/models(\/|$)/i.test(path)) return undefined;
  const reply = (status: number, text: string): Reply => ({
    status,
    headers: { "content-type": "application/json" },
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

function json(body: string): RestAnswer {
  return { contentType: "application/json", body };
}

/** An error in TensorFlow Serving's own form. */
function servingErrorReply(error: ScoringError, requestId: string): Reply {
  return {
    status: wireStatusOf(error).http,
    headers: {
      "content-type": "application/json",
      "x-request-id": requestId,
      ...errorHeaders(error),
    },
    body: restErrorBody(error.message),
  };
}
