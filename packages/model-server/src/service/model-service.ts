import { create } from "@bufbuild/protobuf";
import {
  type GetModelStatusRequest,
  type GetModelStatusResponse,
  GetModelStatusResponseSchema,
  ModelVersionStatus_State as State,
} from "@tensorgate/proto/tensorflow_serving/get_model_status";
import { servingErrors } from "@tensorgate/tf-serving";
import type { LoadedModels } from "./prediction-service.ts";

/** Only the version counts; a version label is ignored, as TensorFlow Serving does. */
export function getModelStatus(
  models: LoadedModels,
  { modelSpec }: GetModelStatusRequest,
): GetModelStatusResponse {
  if (!modelSpec) throw servingErrors.missingModelSpec();
  const { name, versionChoice } = modelSpec;
  const found = models.get(name);
  if (versionChoice.case === "version") {
    const { value } = versionChoice.value;
    if (found?.version !== value) throw servingErrors.noVersion(name, value);
  }
  if (!found) throw servingErrors.noVersions(name);
  return create(GetModelStatusResponseSchema, {
    modelVersionStatus: [{ version: found.version, state: State.AVAILABLE, status: {} }],
  });
}
