/** How many of some predictions were right, with the interval that the true share lies in with 95 %. */
export interface Accuracy {
  readonly rightCount: number;
  readonly count: number;
  /** Share that was right; 0..1, or NaN of none. */
  readonly share: number;
  readonly low: number;
  readonly high: number;
}

/** z of a two-sided interval of 95 %. */
const z95 = 1.959964;

/**
 * Measures an accuracy, with Wilson's interval, which also holds for few pictures and for shares near 0 and 1.
 *
 * @see Wilson 1927, "Probable inference, the law of succession, and statistical inference"
 */
export function accuracyOf(rightCount: number, count: number): Accuracy {
  if (count === 0) return { rightCount, count, share: Number.NaN, low: 0, high: 1 };
  const share = rightCount / count;
  const square = z95 * z95;
  const centre = (share + square / (2 * count)) / (1 + square / count);
  const half =
    (z95 * Math.sqrt((share * (1 - share)) / count + square / (4 * count * count))) /
    (1 + square / count);
  return {
    rightCount,
    count,
    share,
    low: Math.max(0, centre - half),
    high: Math.min(1, centre + half),
  };
}

/** What was predicted of one picture. */
export interface Prediction {
  readonly row: number;
  /** Class that it belongs to. */
  readonly actual: number;
  readonly predicted: number;
  /** Probability of the predicted class. */
  readonly score: number;
  /** Probability of the class that it belongs to. */
  readonly actualScore: number;
}

/**
 * Returns predictions from logits of shape `[rows.length, classCount]`, divided by a temperature.
 *
 * @param classes - of all rows
 */
export function predictionsFrom(
  logits: Float64Array,
  {
    rows,
    classes,
    temperature,
  }: {
    readonly rows: readonly number[];
    readonly classes: Int32Array;
    readonly temperature: number;
  },
): readonly Prediction[] {
  const classCount = logits.length / Math.max(1, rows.length);
  return rows.map((row, at) => {
    const own = logits.subarray(at * classCount, (at + 1) * classCount);
    const highest = own.reduce((most, each) => Math.max(most, each), -Infinity);
    const powers = own.map((each) => Math.exp((each - highest) / temperature));
    const sum = powers.reduce((total, each) => total + each, 0);
    const predicted = own.indexOf(highest);
    const actual = classes[row] as number;
    return {
      row,
      actual,
      predicted,
      score: (powers[predicted] as number) / sum,
      actualScore: (powers[actual] as number) / sum,
    };
  });
}

/** Returns how often a class (row) was taken for another (column). */
export function confusionOf(
  predictions: readonly Prediction[],
  classCount: number,
): readonly (readonly number[])[] {
  const confusion = Array.from({ length: classCount }, () => new Array<number>(classCount).fill(0));
  for (const { actual, predicted } of predictions) {
    const row = confusion[actual];
    if (row) row[predicted] = (row[predicted] ?? 0) + 1;
  }
  return confusion;
}

/** Returns the predictions that gave the right class the least, worst first. */
export function hardestOf(
  predictions: readonly Prediction[],
  count: number,
): readonly Prediction[] {
  return predictions
    .toSorted((a, b) => a.actualScore - b.actualScore || a.row - b.row)
    .slice(0, count);
}

export const countRight = (predictions: readonly Prediction[]): number =>
  predictions.reduce((sum, { actual, predicted }) => sum + (actual === predicted ? 1 : 0), 0);
