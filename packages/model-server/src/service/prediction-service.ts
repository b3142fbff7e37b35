import { create } from "@bufbuild/protobuf";
import type { ModelSpec } from "@tensorgate/core";
import {
  type GetModelMetadataRequest,
  type GetModelMetadataResponse,
  GetModelMetadataResponseSchema,
} from "@tensorgate/proto/tensorflow_serving/get_model_metadata";
import type { ModelSpec as ModelSpecMessage } from "@tensorgate/proto/tensorflow_serving/model";
import {
  packedSignatures,
  predictResponseSegments,
  readPredictRequest,
  type ServingError,
  servingErrors,
} from "@tensorgate/tf-serving";
import type { VersionStatus } from "../hosting/version-table.ts";
import { mismatch, type Servable } from "../servable.ts";

/** The models of a server. */
export interface LoadedModels {
  /** Returns the available version of a model. */
  get(name: string): Servable | undefined;
  /** Returns the states of all versions of a model, ended ones too, highest first. */
  statuses(name: string): readonly VersionStatus[];
  /** The error for a model that is not available now; undefined for the usual NOT_FOUND. */
  unavailableError(name: string): ServingError | undefined;
}

/** @returns the segments of a `PredictResponse` */
export async function predict(
  models: LoadedModels,
  message: Uint8Array,
  isAbandoned: () => boolean,
): Promise<readonly Uint8Array[]> {
  const request = readPredictRequest(message);
  if (!request.modelSpec) throw servingErrors.missingModelSpec();
  const servable = resolve(models, request.modelSpec);
  return predictResponseSegments(await servable.predict(request, isAbandoned));
}

export function getModelMetadata(
  models: LoadedModels,
  { modelSpec, metadataField }: GetModelMetadataRequest,
): GetModelMetadataResponse {
  if (!modelSpec) throw servingErrors.missingModelSpec();
  if (metadataField.length === 0) throw servingErrors.missingMetadataField();
  for (const field of metadataField) {
    if (field !== "signature_def") throw servingErrors.unsupportedMetadataField(field);
  }
  const { name, version, signatures } = resolve(models, modelSpecFrom(modelSpec));
  return create(GetModelMetadataResponseSchema, {
    modelSpec: { name, versionChoice: { case: "version", value: { value: version } } },
    metadata: { signature_def: packedSignatures(signatures) },
  });
}

function resolve(models: LoadedModels, spec: ModelSpec): Servable {
  const found = models.get(spec.name);
  const unavailable = found ? undefined : models.unavailableError(spec.name);
  if (unavailable) throw unavailable;
  const error = mismatch(spec, found);
  if (error) throw error;
  if (!found) throw servingErrors.servableNotFound(spec.name, spec.version);
  return found;
}

export function modelSpecFrom({ name, versionChoice }: ModelSpecMessage): ModelSpec {
  switch (versionChoice.case) {
    case "version":
      return { name, version: versionChoice.value.value };
    case "versionLabel":
      return { name, versionLabel: versionChoice.value };
    default:
      return { name };
  }
}
