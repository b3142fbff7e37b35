import type { Embed } from "@tensorgate/core";
import {
  assertNumbers,
  outputNamed,
  type PictureTaskParts,
  pictureScorer,
  taskNotOffered,
  valuesOfOne,
} from "./score-pictures.ts";

/** Pictures to feature vectors, by releases that expose them. */
export function embedder(parts: PictureTaskParts): Embed {
  const { resolve } = parts;
  const scorePictures = pictureScorer(parts);
  return async (request, call) => {
    const release = resolve(request.modelSpec);
    const { features } = release;
    if (!release.tasks.includes("embed") || !features) throw taskNotOffered("embed", release);
    return scorePictures(request, call, {
      release,
      filter: features.filter,
      read: ({ outputs }) => {
        const values = valuesOfOne(outputNamed(features.tensor, outputs), "features");
        assertNumbers(values, "features");
        return values;
      },
    });
  };
}
