import {
  defaultSignatureName,
  type ModelMetadata,
  type ResolvedModel,
  type ScoreResolved,
  scoredSignatureNames,
} from "@tensorgate/core";

/**
 * Wraps a stage so that requests which name no signature use the only one of a server without `serving_default`. Calls
 * of TensorFlow Serving's API are left as they are: their callers know what the original answers.
 *
 * @param signatures - those that replicas of a model reported, if any
 */
export function withOnlySignature(
  next: ScoreResolved,
  signatures: (model: ResolvedModel) => ModelMetadata["signatures"] | undefined,
): ScoreResolved {
  return (request, call) => {
    const { modelSpec, model, hasWireNames = false } = request;
    if (hasWireNames || modelSpec.signatureName || model.signatureName !== undefined) {
      return next(request, call);
    }
    const reported = signatures(model);
    if (!reported || reported.has(defaultSignatureName)) return next(request, call);
    const [only, ...others] = scoredSignatureNames(reported);
    if (only === undefined || others.length > 0) return next(request, call);
    return next({ ...request, modelSpec: { ...modelSpec, signatureName: only } }, call);
  };
}
