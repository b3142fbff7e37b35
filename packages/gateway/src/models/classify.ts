import {
  type Classify,
  type ClassifyRequest,
  type Clock,
  InvalidRequestError,
  type LabelScore,
  NotSupportedError,
} from "@tensorgate/core";
import { imagenetLabels } from "@tensorgate/tf-serving";
import {
  assertResultCount,
  HighestScores,
  resultCount,
  softmax,
  valuesOfPicture,
} from "./output-values.ts";
import type { Release } from "./release.ts";
import {
  createPictureScorer,
  notOffered,
  type PictureTaskDeps,
  type ScoredPicture,
} from "./score-pictures.ts";

export const classifyDefaults: { readonly topK: number; readonly minScore: number } = {
  topK: 5,
  minScore: 0,
};

/** Creates the classifier of a release: pictures to labels, if it gives a score per class. */
export function createClassifier(release: Release, deps: PictureTaskDeps, clock: Clock): Classify {
  const { classScores } = release;
  if (!release.tasks.includes("classify") || !classScores) {
    return notOffered("cannot classify", release);
  }
  const { tensor: name, filter, holds } = classScores;
  const output = { name, what: "scores" };
  return createPictureScorer(release, deps, (request: ClassifyRequest, call) => {
    const isAsUsual = request.topK === undefined && request.minScore === undefined;
    const selection = isAsUsual ? classifyDefaults : selectionFrom(request);
    let known:
      | { readonly outputs: ScoredPicture["outputs"]; readonly scores: Float32Array }
      | undefined;
    // A reply is verified when it comes and read when it is answered: its scores are copied and checked once.
    const scoresOf = (outputs: ScoredPicture["outputs"]) => {
      if (known?.outputs === outputs) return known.scores;
      const scores = valuesOfPicture(outputs, output);
      known = { outputs, scores };
      return scores;
    };
    return {
      filter,
      verify: scoresOf,
      read: ({ outputs }) => {
        const startedMs = clock.nowMs();
        const probabilities = classProbabilities(scoresOf(outputs), release, holds);
        const labels = topLabels(probabilities, release.labels, selection);
        call.times.add("post", clock.nowMs() - startedMs);
        return labels;
      },
    };
  });
}

function selectionFrom(request: ClassifyRequest): TopLabelsOptions {
  const { topK, minScore = classifyDefaults.minScore } = request;
  if (!(minScore >= 0 && minScore <= 1)) {
    throw new InvalidRequestError(`minScore must be between 0 and 1, got ${minScore}`, {
      field: "minScore",
    });
  }
  if (topK === undefined) return { topK: classifyDefaults.topK, minScore };
  const perPicture = resultCount("topK", topK);
  assertResultCount(request, { field: "topK", perPicture });
  return { topK: perPicture, minScore };
}

/** Returns one probability per label. @param raw - the scores of one picture */
function classProbabilities(
  raw: Float32Array,
  release: Release,
  holds: "probabilities" | "logits",
): Float32Array {
  const { labels, name } = release;
  const expected = release.classCount ?? labels.length;
  if (raw.length === 1 && expected === 2) return binaryProbabilities(raw, holds);
  const isComplete = expected === 0 || raw.length === expected;
  if (isComplete || hasBackground(raw, release)) {
    const scores = holds === "logits" ? softmax(raw) : raw;
    return isComplete ? scores : scores.subarray(1);
  }
  throw new NotSupportedError(
    `model "${name}" returned ${raw.length} scores, but ${expected} ${labels.length > 0 ? "labels" : "classes"} are configured`,
    { hint: "set `labels` of that length, or `classCount` for a model without labels" },
  );
}

/** Returns the probabilities of two classes by one score, which is that of the second class. */
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

export interface TopLabelsOptions {
  /** How many to return; an integer >= 1. */
  readonly topK: number;
  /** Scores below are left out. */
  readonly minScore: number;
}

/**
 * Returns the best classes of one picture, highest score first; of equal scores the lower index comes first.
 * A score that is not a number is never among them.
 */
export function topLabels(
  scores: Float32Array,
  labels: readonly string[],
  { topK, minScore }: TopLabelsOptions,
): readonly LabelScore[] {
  const highest = new HighestScores(topK);
  const { length } = scores;
  for (let index = 0; index < length; index += 1) {
    const { floor } = highest;
    // Passes over most of the thousand scores of a picture: a loop that does nothing else takes half the time.
    while (index < length && !((scores[index] as number) > floor)) index += 1;
    const score = scores[index];
    if (score !== undefined && score >= minScore) highest.offer(index, score);
  }
  return highest.takeAll((index, score) => {
    return { index, label: labels[index] ?? String(index), score };
  });
}
