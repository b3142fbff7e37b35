import type { Embed } from "@tensorgate/core";
import { valuesOfPicture } from "./output-values.ts";
import { createPictureScorer, type PictureTaskDeps, taskNotOffered } from "./score-pictures.ts";

/** Pictures to feature vectors, by releases that expose them. */
export function createEmbedder(deps: PictureTaskDeps): Embed {
  const { resolve } = deps;
  const scorePictures = createPictureScorer(deps);
  return async (request, call) => {
    const release = resolve(request.modelSpec);
    const { features } = release;
    if (!release.tasks.includes("embed") || !features) throw taskNotOffered("embed", release);
    return scorePictures(request, call, {
      release,
      filter: features.filter,
      read: ({ outputs }) => valuesOfPicture(outputs, { name: features.tensor, what: "features" }),
    });
  };
}
