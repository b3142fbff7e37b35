import {
  type CallContext,
  type ModelSpec,
  type ScoringError,
  UpstreamAnsweredError,
} from "@tensorgate/core";
import type { GetModelMetadataResponse } from "@tensorgate/proto/tensorflow_serving/get_model_metadata";
import type { GetModelStatusResponse } from "@tensorgate/proto/tensorflow_serving/get_model_status";
import { modelMetadataJson, modelStatusJson, restErrorBody } from "@tensorgate/tf-serving";
import type { Reply } from "./exchange.ts";
import { pushbackHeaders } from "./reply-headers.ts";
import type { PathParams, RestAnswer, RestRoute } from "./rest-route.ts";
import { wireStatusOf } from "./wire-status.ts";

export type AskModel<Answer> = (modelSpec: ModelSpec, call: CallContext) => Promise<Answer>;

export interface TensorflowServingRestParts {
  readonly modelStatus: AskModel<GetModelStatusResponse>;
  readonly modelMetadata: AskModel<GetModelMetadataResponse>;
}

/** The part of TensorFlow Serving's REST API that tells of a model, to the letter. */
export function tensorflowServingRest({
  modelStatus,
  modelMetadata,
}: TensorflowServingRestParts): readonly RestRoute[] {
  const status = (path: string): RestRoute => ({
    method: "GET",
    path,
    errorReply: servingErrorReply,
    answer: async (_exchange, params, call) =>
      json(modelStatusJson(await modelStatus(modelSpecFrom(params), call))),
  });
  const metadata = (path: string): RestRoute => ({
    method: "GET",
    path,
    errorReply: servingErrorReply,
    answer: async (_exchange, params, call) =>
      json(modelMetadataJson(await modelMetadata(modelSpecFrom(params), call))),
  });
  return modelPaths.flatMap((path) => [status(path), metadata(`${path}/metadata`)]);
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
      ...pushbackHeaders(error),
    },
    body: restErrorBody(error.message),
  };
}
