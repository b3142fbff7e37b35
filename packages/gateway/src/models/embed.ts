import type { Embed } from "@tensorgate/core";
import { valuesOfPicture } from "./output-values.ts";
import {
  createPictureScorer,
  type PictureTaskDeps,
  type ScoredPicture,
  taskNotOffered,
} from "./score-pictures.ts";

/** Creates the embedder: pictures to feature vectors, by releases that have them. */
export function createEmbedder(deps: PictureTaskDeps): Embed {
  const { resolve } = deps;
  const scorePictures = createPictureScorer(deps);
  return async (request, call) => {
    const release = resolve(request.modelSpec);
    const { features } = release;
    if (!release.tasks.includes("embed") || !features) throw taskNotOffered("embed", release);
    const values = (outputs: ScoredPicture["outputs"]) =>
      valuesOfPicture(outputs, { name: features.tensor, what: "features" });
    return scorePictures(request, call, {
      release,
      filter: features.filter,
      verify: values,
      read: ({ outputs }) => values(outputs),
    });
  };
}
