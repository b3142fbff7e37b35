import { modelMetadataJson, modelStatusJson, servingErrors } from "@tensorgate/tf-serving";
import type { HttpRoute } from "../http-handler.ts";
import { inServingWords, servingErrorBody } from "./errors.ts";
import { jsonAnswer, modelSpecFrom } from "./messages.ts";

/** The part of TensorFlow Serving's REST API that describes a model, to the letter. */
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
      return jsonAnswer(
        modelStatusJson(await inServingWords(tasks.modelStatus(spec, call), unknown)),
      );
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
      return jsonAnswer(
        modelMetadataJson(await inServingWords(tasks.modelMetadata(spec, call), unknown)),
      );
    },
  });
  return modelPaths.flatMap((path) => [status(path), metadata(`${path}/metadata`)]);
}

const modelPaths = [
  "/v1/models/{model}",
  "/v1/models/{model}/versions/{version}",
  "/v1/models/{model}/labels/{versionLabel}",
];
