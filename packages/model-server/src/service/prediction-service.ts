import type { ModelMetadata, ModelSpec } from "@tensorgate/core";
import type {
  GetModelMetadataRequest,
  GetModelMetadataResponse,
} from "@tensorgate/proto/tensorflow_serving/get_model_metadata";
import {
  manifestField,
  modelMetadataResponse,
  modelSpecFromMessage,
  predictResponseSegments,
  readPredictRequest,
  servingErrors,
} from "@tensorgate/tf-serving";
import { type LoadedModels, resolveServable } from "./loaded-models.ts";

/** @returns the segments of a `PredictResponse` */
export async function predict(
  models: LoadedModels,
  message: Uint8Array,
  isAbandoned: () => boolean,
): Promise<readonly Uint8Array[]> {
  const request = readPredictRequest(message);
  const servable = resolveServable(models, request.modelSpec);
  return predictResponseSegments(await servable.predict(request, isAbandoned));
}

export function getModelMetadata(
  models: LoadedModels,
  { modelSpec, metadataField }: GetModelMetadataRequest,
): GetModelMetadataResponse {
  if (!modelSpec) throw servingErrors.missingModelSpec();
  if (metadataField.length === 0) throw servingErrors.missingMetadataField();
  for (const field of metadataField) {
    if (field !== "signature_def" && field !== manifestField) {
      throw servingErrors.unsupportedMetadataField(field);
    }
  }
  const spec = modelSpecFromMessage(modelSpec);
  const metadata = metadataOf(models, spec);
  const { manifest } = resolveServable(models, spec);
  // Only for callers that know of it: others get what TensorFlow Serving would answer.
  const isWanted = manifest !== undefined && metadataField.includes(manifestField);
  return modelMetadataResponse(
    isWanted ? { ...metadata, manifest: JSON.stringify(manifest) } : metadata,
  );
}

/** @throws ServingError if the model is not available */
export function metadataOf(models: LoadedModels, spec: ModelSpec): ModelMetadata {
  const { name, version, signatures, encodedSignatures } = resolveServable(models, spec);
  const model = { name, version };
  return encodedSignatures ? { model, signatures, encodedSignatures } : { model, signatures };
}
