import type { LabelScore } from "@tensorgate/core";

/** The highest of many scores, kept while they are looked at one after the other. */
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
 * Keeps the `count` highest scores in a heap whose root is the worst of them, in O(n log count) for n scores.
 *
 * @param count - an integer >= 1
 */
export function createHighestScores(count: number): HighestScores {
  const heap: HighScore[] = [];
  let comparisonCount = 0;

  const isWorse = (a: HighScore, b: HighScore) => {
    comparisonCount += 1;
    return a.score < b.score || (a.score === b.score && a.id > b.id);
  };

  function siftUp(entry: HighScore): void {
    let at = heap.length;
    while (at > 0) {
      const parentAt = (at - 1) >> 1;
      const parent = heap[parentAt] as HighScore;
      if (!isWorse(entry, parent)) break;
      heap[at] = parent;
      at = parentAt;
    }
    heap[at] = entry;
  }

  /** Puts `entry` in the place of the root. */
  function siftDown(entry: HighScore): void {
    let at = 0;
    for (;;) {
      const leftAt = 2 * at + 1;
      const left = heap[leftAt];
      if (!left) break;
      const right = heap[leftAt + 1];
      const isRight = right !== undefined && isWorse(right, left);
      const worse = isRight ? right : left;
      if (!isWorse(worse, entry)) break;
      heap[at] = worse;
      at = isRight ? leftAt + 1 : leftAt;
    }
    heap[at] = entry;
  }

  return {
    get comparisonCount() {
      return comparisonCount;
    },
    offer: (id, score) => {
      const worst = heap[0];
      if (heap.length < count || !worst) siftUp({ id, score });
      else if (score > worst.score) siftDown({ id, score });
    },
    all: () => heap.toSorted((a, b) => b.score - a.score || a.id - b.id),
  };
}

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
