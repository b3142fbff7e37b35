import {
  type Embed,
  type EmbedRequest,
  FailedPreconditionError,
  listedNames,
  maxFeaturesPerCall,
  type Tensor,
} from "@tensorgate/core";
import { valuesOfPicture } from "./output-values.ts";
import type { Release } from "./release.ts";
import { createPictureScorer, notOffered, type PictureTaskDeps } from "./score-pictures.ts";

/** Creates the embedder of a release: pictures to feature vectors, if it has them. */
export function createEmbedder(release: Release, deps: PictureTaskDeps): Embed {
  const { features } = release;
  if (!release.tasks.includes("embed") || !features) return notOffered("cannot embed", release);
  const name = features.tensor;
  // A model with one output has class scores in it as likely as features, so only the name counts.
  const values = (tensor: Tensor) =>
    valuesOfPicture(new Map([[name, tensor]]), { name, what: "features" });
  return createPictureScorer(release, deps, (request: EmbedRequest) => {
    return {
      filter: features.filter,
      verify: (outputs) => {
        const tensor = outputs.get(name);
        // It is not the replica's fault that its model has no features.
        if (tensor) values(tensor);
      },
      read: ({ outputs }) => {
        const tensor = outputs.get(name);
        if (!tensor) throw withoutFeatures(release, outputs);
        const features = values(tensor);
        assertFeatureCount(release, features.length * request.pictures.length);
        return features;
      },
    };
  });
}

/** @throws FailedPreconditionError if the pictures of a call have more features than are written in one answer */
function assertFeatureCount({ name }: Release, count: number): void {
  if (count <= maxFeaturesPerCall) return;
  throw new FailedPreconditionError(
    `model "${name}" returns ${count} features for this call; the limit is ${maxFeaturesPerCall}`,
    { hint: "send fewer pictures in a call, or get the output as a tensor by Predict" },
  );
}

function withoutFeatures(
  { name, features }: Release,
  outputs: ReadonlyMap<string, Tensor>,
): FailedPreconditionError {
  return new FailedPreconditionError(
    `model "${name}" returns no output "${features?.tensor}" with features; its outputs: ${listedNames(outputs.keys())}`,
    { hint: "if one of them holds features, set output.<name>: { holds: features }" },
  );
}
