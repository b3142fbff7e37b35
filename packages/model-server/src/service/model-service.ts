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

const onWire: Readonly<Record<VersionState["state"], State>> = {
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
  const asked = versionChoice.case === "version" ? versionChoice.value.value : undefined;
  const told = asked === undefined ? all : all.filter(({ version }) => version === asked);
  if (told.length === 0) {
    throw asked === undefined
      ? servingErrors.noVersions(name)
      : servingErrors.noVersion(name, asked);
  }
  return create(GetModelStatusResponseSchema, {
    modelVersionStatus: told.map(({ version, state }) => {
      const failure = state.state === "end" ? state.failure : undefined;
      return {
        version,
        state: onWire[state.state],
        status: failure ? { errorCode: failure.code, errorMessage: failure.message } : {},
      };
    }),
  });
}
