import type { ModelSpec, ModelStatus, VersionState as WireState } from "@tensorgate/core";
import type {
  GetModelStatusRequest,
  GetModelStatusResponse,
} from "@tensorgate/proto/tensorflow_serving/get_model_status";
import { modelSpecFromMessage, modelStatusResponse, servingErrors } from "@tensorgate/tf-serving";
import type { VersionState } from "../hosting/version-state.ts";
import type { LoadedModels } from "./loaded-models.ts";

const wireStates: Readonly<Record<VersionState["state"], WireState>> = {
  start: "starting",
  loading: "loading",
  available: "available",
  unloading: "unloading",
  end: "ended",
};

export function getModelStatus(
  models: LoadedModels,
  { modelSpec }: GetModelStatusRequest,
): GetModelStatusResponse {
  if (!modelSpec) throw servingErrors.missingModelSpec();
  return modelStatusResponse(statusOf(models, modelSpecFromMessage(modelSpec)));
}

/**
 * Returns the states of a version, or of all versions of a model. Only the version counts; a version label is ignored,
 * as TensorFlow Serving does.
 *
 * @throws ServingError NOT_FOUND if there is none
 */
export function statusOf(models: LoadedModels, { name, version }: ModelSpec): ModelStatus {
  const all = models.statuses(name);
  const reported = version === undefined ? all : all.filter((each) => each.version === version);
  if (reported.length === 0) {
    throw version === undefined
      ? servingErrors.noVersions(name)
      : servingErrors.noVersion(name, version);
  }
  return {
    versions: reported.map(({ version: number, state }) => {
      const failure = state.state === "end" ? state.failure : undefined;
      return {
        version: number,
        state: wireStates[state.state],
        errorCode: failure?.code ?? 0,
        errorMessage: failure?.message ?? "",
      };
    }),
  };
}
