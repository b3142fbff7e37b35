import type { LabelScore } from "@tensorgate/core";

/** The highest of many scores that are offered one after the other. */
export interface HighestScores {
  /** Comparisons so far, beside the first of each score. */
  readonly comparisonCount: number;
  /** Ids come in ascending order: of equal scores the first one offered is the better. */
  offer(id: number, score: number): void;
  /** Best first. */
  all(): readonly HighScore[];
}

export interface HighScore {
  readonly id: number;
  readonly score: number;
}

/**
 * Finds the `count` highest scores with a heap whose root is the worst of them, in O(n log count) for n scores.
 *
 * @param count - an integer >= 1
 */
export function createHighestScores(count: number): HighestScores {
  const heap: HighScore[] = [];
  let comparisonCount = 0;

  /** Returns a negative number if `a` is the better. */
  const compare = (a: HighScore, b: HighScore): number => {
    comparisonCount += 1;
    return b.score - a.score || a.id - b.id;
  };

  return {
    get comparisonCount() {
      return comparisonCount;
    },
    offer: (id, score) => {
      const root = heap[0];
      if (heap.length < count || !root) {
        const entry = { id, score };
        let at = heap.length;
        while (at > 0) {
          const parentAt = (at - 1) >> 1;
          const parent = heap[parentAt] as HighScore;
          if (compare(entry, parent) < 0) break;
          heap[at] = parent;
          at = parentAt;
        }
        heap[at] = entry;
      } else if (score > root.score) {
        const entry = { id, score };
        let at = 0;
        for (;;) {
          let childAt = 2 * at + 1;
          let child = heap[childAt];
          if (!child) break;
          const right = heap[childAt + 1];
          if (right && compare(right, child) > 0) {
            child = right;
            childAt += 1;
          }
          if (compare(child, entry) < 0) break;
          heap[at] = child;
          at = childAt;
        }
        heap[at] = entry;
      }
    },
    all: () => heap.toSorted(compare),
  };
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
  const highest = createHighestScores(topK);
  // A plain loop: it runs for each of a thousand scores of every picture.
  for (let index = 0; index < scores.length; index += 1) {
    const score = scores[index] as number;
    if (score >= minScore) highest.offer(index, score);
  }
  const best: LabelScore[] = [];
  for (const { id, score } of highest.all()) {
    best.push({ index: id, label: labels[id] ?? String(id), score });
  }
  return best;
}

/** Returns the probabilities of `logits`. The maximum is subtracted first, so that large logits do not overflow. */
export function softmax(logits: Float32Array): Float32Array {
  const highest = logits.reduce((max, logit) => Math.max(max, logit), -Infinity);
  const powers = logits.map((logit) => Math.exp(logit - highest));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}
