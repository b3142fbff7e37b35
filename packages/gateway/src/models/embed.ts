import { type Embed, float32Values } from "@tensorgate/core";
import {
  assertOneRow,
  type PictureTaskParts,
  pictureScorer,
  taskNotOffered,
} from "./score-pictures.ts";

/** Pictures to feature vectors, by releases that expose them. */
export function embedder(parts: PictureTaskParts): Embed {
  const { known } = parts;
  const scorePictures = pictureScorer(parts);

  return async (request, call) => {
    const release = known.get(request.modelSpec.name);
    if (!release.features) throw taskNotOffered("embed", release);
    return scorePictures(request, call, {
      release,
      output: release.features.tensor,
      read: (tensor) => {
        assertOneRow(tensor, "features");
        return float32Values(tensor);
      },
    });
  };
}
