import {
  type Classify,
  type Clock,
  InvalidRequestError,
  maxResultsPerPicture,
  NotSupportedError,
} from "@tensorgate/core";
import { imagenetLabels } from "@tensorgate/tf-serving";
import { valuesOfPicture } from "./output-values.ts";
import type { Release } from "./release.ts";
import {
  assertResultCount,
  createPictureScorer,
  type PictureTaskDeps,
  type ScoredPicture,
  taskNotOffered,
} from "./score-pictures.ts";
import { softmax, topLabels } from "./top-scores.ts";

export const classifyDefaults: { readonly topK: number; readonly minScore: number } = {
  topK: 5,
  minScore: 0,
};

/** Pictures to labels, by releases that give a score per class. */
export function createClassifier(deps: PictureTaskDeps, clock: Clock): Classify {
  const { resolve } = deps;
  const scorePictures = createPictureScorer(deps);
  return async (request, call) => {
    const release = resolve(request.modelSpec);
    const { classScores } = release;
    if (!release.tasks.includes("classify") || !classScores) {
      throw taskNotOffered("classify", release);
    }
    const selection = {
      topK: request.topK ?? classifyDefaults.topK,
      minScore: request.minScore ?? classifyDefaults.minScore,
    };
    assertSelection(selection);
    assertResultCount(request, { field: "topK", perPicture: request.topK });
    return scorePictures(request, call, {
      release,
      filter: classScores.filter,
      verify: (outputs) => void rawScores(outputs, classScores.tensor),
      read: (scored) => {
        const startedMs = clock.nowMs();
        const labels = topLabels(classProbabilities(scored, release), release.labels, selection);
        call.times.add("post", clock.nowMs() - startedMs);
        return labels;
      },
    });
  };
}

function assertSelection({ topK, minScore }: { topK: number; minScore: number }): void {
  if (!(Number.isInteger(topK) && topK >= 1 && topK <= maxResultsPerPicture)) {
    throw new InvalidRequestError(
      `topK must be a whole number from 1 to ${maxResultsPerPicture}, got ${topK}`,
      { field: "topK", hint: "to get the scores of all classes, use Predict" },
    );
  }
  if (!(minScore >= 0 && minScore <= 1)) {
    throw new InvalidRequestError(`minScore must be between 0 and 1, got ${minScore}`, {
      field: "minScore",
    });
  }
}

const rawScores = (outputs: ScoredPicture["outputs"], name: string): Float32Array =>
  valuesOfPicture(outputs, { name, what: "scores" });

/** @returns one probability per label, for one picture */
function classProbabilities({ outputs }: ScoredPicture, release: Release): Float32Array {
  const { classScores, labels, name } = release;
  if (!classScores) throw taskNotOffered("classify", release);
  const raw = rawScores(outputs, classScores.tensor);
  const expected = release.classCount ?? labels.length;
  if (raw.length === 1 && expected === 2) return binaryProbabilities(raw, classScores.holds);
  const isComplete = expected === 0 || raw.length === expected;
  if (isComplete || hasBackground(raw, release)) {
    const scores = classScores.holds === "logits" ? softmax(raw) : raw;
    return isComplete ? scores : scores.subarray(1);
  }
  throw new NotSupportedError(
    `model "${name}" returned ${raw.length} scores, but ${expected} ${labels.length > 0 ? "labels" : "classes"} are configured`,
    { hint: "set `labels` of that length, or `classCount` for a model without labels" },
  );
}

/** One score tells two classes apart: it is that of the second one. */
function binaryProbabilities(
  [score = 0]: Float32Array,
  holds: "probabilities" | "logits",
): Float32Array {
  const second = holds === "logits" ? 1 / (1 + Math.exp(-score)) : score;
  return Float32Array.of(1 - second, second);
}

/** Some networks for ImageNet have 1001 classes: a background that no picture has, then the usual thousand. */
function hasBackground(scores: Float32Array, { labels }: Release): boolean {
  return labels === imagenetLabels && scores.length === labels.length + 1;
}
