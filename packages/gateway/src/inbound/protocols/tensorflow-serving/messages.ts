import { create, toBinary } from "@bufbuild/protobuf";
import type { ModelSpec, ServingMethod } from "@tensorgate/core";
import {
  ClassificationRequestSchema,
  ClassificationResponseSchema,
} from "@tensorgate/proto/tensorflow_serving/classification";
import type { Input } from "@tensorgate/proto/tensorflow_serving/input";
import {
  RegressionRequestSchema,
  RegressionResponseSchema,
} from "@tensorgate/proto/tensorflow_serving/regression";
import {
  classificationAnswerJson,
  type ModelPath,
  modelSpecMessage,
  readModelPath,
  regressionAnswerJson,
} from "@tensorgate/tf-serving";
import type { PathParams } from "../http-handler.ts";
import type { HttpBody } from "../negotiation.ts";
import { decodeResponse } from "../serving-call.ts";

/** What the path of a request asks for; its version may be too large for a number, and then there is no spec. */
export type ServingPath = PathParams & { readonly model: string; readonly verb: string };

/** Reads the path of a request together with its query, which the original does not know. */
export function servingPath(method: string, target: string): ServingPath | undefined {
  const path: ModelPath | undefined = readModelPath(method, target);
  if (!path || (method !== "POST" && path.model === "")) return undefined;
  return { ...path };
}

export function jsonAnswer(body: string | Uint8Array): HttpBody {
  return { contentType: "application/json", body };
}

/** How the examples of a REST call are sent, and the result of the response is written. */
export interface ExampleTask {
  readonly method: ServingMethod;
  readonly request: (modelSpec: ModelSpec, input: Input) => Uint8Array;
  /** @throws ServingError if there is no result; UpstreamFailedError if it is too long for JSON */
  readonly answerJson: (response: Uint8Array) => Iterable<Uint8Array>;
}

export const classifyTask: ExampleTask = {
  method: "Classify",
  request: (modelSpec, input) =>
    toBinary(
      ClassificationRequestSchema,
      create(ClassificationRequestSchema, { modelSpec: modelSpecMessage(modelSpec), input }),
    ),
  answerJson: (response) => {
    const { result } = decodeResponse(ClassificationResponseSchema, response);
    return classificationAnswerJson(result?.classifications ?? []);
  },
};

export const regressTask: ExampleTask = {
  method: "Regress",
  request: (modelSpec, input) =>
    toBinary(
      RegressionRequestSchema,
      create(RegressionRequestSchema, { modelSpec: modelSpecMessage(modelSpec), input }),
    ),
  answerJson: (response) => {
    const { result } = decodeResponse(RegressionResponseSchema, response);
    return regressionAnswerJson(result?.regressions ?? []);
  },
};
