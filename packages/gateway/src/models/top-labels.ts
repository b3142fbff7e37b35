import type { LabelScore } from "@tensorgate/core";

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
  const best: LabelScore[] = [];
  for (const [index, score] of scores.entries()) {
    const last = best.at(-1);
    const isWorse = best.length === topK && last !== undefined && !(score > last.score);
    if (!(score >= minScore) || isWorse) continue;
    const position = best.findIndex((each) => score > each.score);
    best.splice(position === -1 ? best.length : position, 0, {
      index,
      label: labels[index] ?? String(index),
      score,
    });
    if (best.length > topK) best.pop();
  }
  return best;
}

/** Probabilities of `logits`. The maximum is subtracted first, so that large logits do not overflow. */
export function softmax(logits: Float32Array): Float32Array {
  const highest = logits.reduce((max, logit) => Math.max(max, logit), -Infinity);
  const powers = logits.map((logit) => Math.exp(logit - highest));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}
