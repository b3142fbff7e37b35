import type { LabelScore } from "@tensorgate/core";
import { createHighestScores } from "./highest-scores.ts";

export interface TopLabelsOptions {
  /** How many to return; an integer >= 1. */
  readonly topK: number;
  /** Scores below are left out. */
  readonly minScore: number;
}

/**
 * The best classes of one picture, highest score first; of equal scores the lower index comes first.
 * A score that is not a number is never among them.
 */
export function topLabels(
  scores: Float32Array,
  labels: readonly string[],
  { topK, minScore }: TopLabelsOptions,
): readonly LabelScore[] {
  const highest = createHighestScores(topK);
  // A plain loop: it runs for each of a thousand scores of every picture.
  for (let index = 0; index < scores.length; index += 1) {
    const score = scores[index] as number;
    if (score >= minScore) highest.offer(index, score);
  }
  return highest
    .all()
    .map(({ id, score }) => ({ index: id, label: labels[id] ?? String(id), score }));
}

/** Probabilities of `logits`. The maximum is subtracted first, so that large logits do not overflow. */
export function softmax(logits: Float32Array): Float32Array {
  const highest = logits.reduce((max, logit) => Math.max(max, logit), -Infinity);
  const powers = logits.map((logit) => Math.exp(logit - highest));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}
