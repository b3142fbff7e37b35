import type { FeatureRows } from "./feature-rows.ts";
import { type MinimiseOptions, minimise } from "./minimise.ts";

/** What a softmax regression learns from. */
export interface TrainingSet {
  readonly rows: FeatureRows;
  /** Class of each row: indices below `classCount`. */
  readonly classes: Int32Array;
  readonly classCount: number;
  /** Weight of each row of a class in the loss; all 1 if classes count as often as they occur. */
  readonly classWeights: Float64Array;
}

/** Weights of shape `[classCount, columnCount + 1]`, row-major; the last of each row is its bias. */
export type RegressionWeights = Float64Array;

export interface FitOptions extends MinimiseOptions {
  /** Penalty on the squares of the weights, biases aside. */
  readonly penalty: number;
  /** Where to start; 0 by default. */
  readonly start?: RegressionWeights;
}

/** Returns weights that make every class count the same, however many pictures it has. */
export function balancedWeights(classes: Int32Array, classCount: number): Float64Array {
  const counts = new Float64Array(classCount);
  for (const each of classes) counts[each] = (counts[each] as number) + 1;
  const present = counts.reduce((sum, count) => sum + (count > 0 ? 1 : 0), 0);
  return counts.map((count) => (count > 0 ? classes.length / (present * count) : 0));
}

/** Fits a softmax regression: the weighted mean of `-log p(class)` plus `penalty / 2 · Σ weight²`, minimised. */
export function fitSoftmax(
  { rows, classes, classCount, classWeights }: TrainingSet,
  { penalty, start, ...options }: FitOptions,
): RegressionWeights {
  const { rowCount, columnCount, values } = rows;
  const width = columnCount + 1;
  const scores = new Float64Array(classCount);
  let totalWeight = 0;
  for (const each of classes) totalWeight += classWeights[each] as number;

  const objective = (weights: Float64Array, gradient: Float64Array): number => {
    gradient.fill(0);
    let loss = 0;
    for (let row = 0; row < rowCount; row += 1) {
      scoresOf(values, row * columnCount, { weights, columnCount, scores });
      const highest = scores.reduce((most, each) => Math.max(most, each), -Infinity);
      let sum = 0;
      for (let k = 0; k < classCount; k += 1) {
        const power = Math.exp((scores[k] as number) - highest);
        scores[k] = power;
        sum += power;
      }
      const own = classes[row] as number;
      const weight = (classWeights[own] as number) / totalWeight;
      loss -= weight * Math.log((scores[own] as number) / sum + Number.MIN_VALUE);
      for (let k = 0; k < classCount; k += 1) {
        const error = weight * ((scores[k] as number) / sum - (k === own ? 1 : 0));
        const at = k * width;
        const from = row * columnCount;
        for (let column = 0; column < columnCount; column += 1) {
          gradient[at + column] =
            (gradient[at + column] as number) + error * (values[from + column] as number);
        }
        gradient[at + columnCount] = (gradient[at + columnCount] as number) + error;
      }
    }
    for (let at = 0; at < weights.length; at += 1) {
      if (at % width === columnCount) continue;
      const weight = weights[at] as number;
      loss += 0.5 * penalty * weight * weight;
      gradient[at] = (gradient[at] as number) + penalty * weight;
    }
    return loss;
  };
  return minimise(objective, start ?? new Float64Array(classCount * width), options).point;
}

/** Returns the logits of every row: shape `[rowCount, classCount]`. */
export function logitsOf(
  { rowCount, columnCount, values }: FeatureRows,
  weights: RegressionWeights,
): Float64Array {
  const classCount = weights.length / (columnCount + 1);
  const logits = new Float64Array(rowCount * classCount);
  for (let row = 0; row < rowCount; row += 1) {
    const scores = logits.subarray(row * classCount, (row + 1) * classCount);
    scoresOf(values, row * columnCount, { weights, columnCount, scores });
  }
  return logits;
}

interface Scoring {
  readonly weights: Float64Array;
  readonly columnCount: number;
  readonly scores: Float64Array;
}

/** Writes the logits of the row that begins at `from`. */
function scoresOf(
  values: Float32Array,
  from: number,
  { weights, columnCount, scores }: Scoring,
): void {
  for (let k = 0; k < scores.length; k += 1) {
    const at = k * (columnCount + 1);
    let score = weights[at + columnCount] as number;
    for (let column = 0; column < columnCount; column += 1) {
      score += (weights[at + column] as number) * (values[from + column] as number);
    }
    scores[k] = score;
  }
}
