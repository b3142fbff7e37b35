import { create } from "@bufbuild/protobuf";
import {
  type GetModelStatusRequest,
  type GetModelStatusResponse,
  GetModelStatusResponseSchema,
  ModelVersionStatus_State as State,
} from "@tensorgate/proto/tensorflow_serving/get_model_status";
import { servingErrors } from "@tensorgate/tf-serving";
import type { VersionState } from "../hosting/version-state.ts";
import type { LoadedModels } from "./prediction-service.ts";

const wireStates: Readonly<Record<VersionState["state"], State>> = {
  start: State.START,
  loading: State.LOADING,
  available: State.AVAILABLE,
  unloading: State.UNLOADING,
  end: State.END,
};

/** Only the version counts; a version label is ignored, as TensorFlow Serving does. */
export function getModelStatus(
  models: LoadedModels,
  { modelSpec }: GetModelStatusRequest,
): GetModelStatusResponse {
  if (!modelSpec) throw servingErrors.missingModelSpec();
  const { name, versionChoice } = modelSpec;
  const all = models.statuses(name);
  const requested = versionChoice.case === "version" ? versionChoice.value.value : undefined;
  const reported =
    requested === undefined ? all : all.filter(({ version }) => version === requested);
  if (reported.length === 0) {
    throw requested === undefined
      ? servingErrors.noVersions(name)
      : servingErrors.noVersion(name, requested);
  }
  return create(GetModelStatusResponseSchema, {
    modelVersionStatus: reported.map(({ version, state }) => {
      const failure = state.state === "end" ? state.failure : undefined;
      return {
        version,
        state: wireStates[state.state],
        status: failure ? { errorCode: failure.code, errorMessage: failure.message } : {},
      };
    }),
  });
}
