import {
  type Classify,
  float32Values,
  InvalidRequestError,
  NotSupportedError,
  type Tensor,
} from "@tensorgate/core";
import type { Release } from "./release.ts";
import {
  assertOneRow,
  type PictureTaskParts,
  pictureScorer,
  taskNotOffered,
} from "./score-pictures.ts";
import { softmax, topLabels } from "./top-labels.ts";

export const classifyDefaults: { readonly topK: number; readonly minScore: number } = {
  topK: 5,
  minScore: 0,
};

/** Pictures to labels, by releases that give a score per class. */
export function classifier(parts: PictureTaskParts): Classify {
  const { known, clock } = parts;
  const scorePictures = pictureScorer(parts);

  return async (request, call) => {
    const release = known.get(request.modelSpec.name);
    const { classScores } = release;
    if (!classScores) throw taskNotOffered("classify", release);
    const selection = {
      topK: request.topK ?? classifyDefaults.topK,
      minScore: request.minScore ?? classifyDefaults.minScore,
    };
    assertSelection(selection);

    return scorePictures(request, call, {
      release,
      output: classScores.tensor,
      read: (tensor) => {
        const startedMs = clock.nowMs();
        const scores = classProbabilities(tensor, release);
        const labels = topLabels(scores, release.labels, selection);
        call.times.add("post", clock.nowMs() - startedMs);
        return labels;
      },
    });
  };
}

function assertSelection({ topK, minScore }: { topK: number; minScore: number }): void {
  if (!Number.isInteger(topK) || topK < 1) {
    throw new InvalidRequestError(`topK must be an integer >= 1, got ${topK}`, { field: "topK" });
  }
  if (!(minScore >= 0 && minScore <= 1)) {
    throw new InvalidRequestError(`minScore must be between 0 and 1, got ${minScore}`, {
      field: "minScore",
    });
  }
}

/** @returns one probability per class, for one picture */
function classProbabilities(tensor: Tensor, { labels, classScores }: Release): Float32Array {
  assertOneRow(tensor, "scores");
  const scores = float32Values(tensor);
  if (labels.length > 0 && labels.length !== scores.length) {
    throw new NotSupportedError(
      `the model gives ${scores.length} scores, but ${labels.length} labels are configured`,
    );
  }
  return classScores?.holds === "logits" ? softmax(scores) : scores;
}
