import type { FeatureRows } from "./feature-rows.ts";
import { rowSpaceOf } from "./row-space.ts";
import { balancedWeights, fitSoftmax } from "./softmax-regression.ts";
import { standardisationOf, standardised } from "./standardise.ts";

/** Rows with their classes. */
export interface Labelled {
  readonly rows: FeatureRows;
  readonly classes: Int32Array;
  readonly classCount: number;
}

/** How exactly a head is fitted. */
const exact = { maxSteps: 300, tolerance: 1e-8 };

/**
 * Fits weights and biases that apply to features as a model returns them: standardisation and temperature are folded in.
 *
 * @returns weights of shape `[classCount, columnCount]`, bias of shape `[classCount]`
 */
export function fitHead(
  { rows, classes, classCount }: Labelled,
  { penalty, temperature }: { readonly penalty: number; readonly temperature: number },
): { readonly weights: Float32Array; readonly bias: Float32Array } {
  const { mean, scale } = standardisationOf(rows);
  const space = rowSpaceOf(standardised(rows, { mean, scale }));
  const fitted = fitSoftmax(
    { rows: space.rows, classes, classCount, classWeights: balancedWeights(classes, classCount) },
    { penalty, ...exact },
  );
  const width = space.rows.columnCount + 1;
  const { columnCount } = rows;
  const weights = new Float32Array(classCount * columnCount);
  const bias = new Float32Array(classCount);
  for (let k = 0; k < classCount; k += 1) {
    const own = space.toColumns(fitted.subarray(k * width, (k + 1) * width - 1));
    let shift = fitted[(k + 1) * width - 1] as number;
    for (let column = 0; column < columnCount; column += 1) {
      const weight = (own[column] as number) * (scale[column] as number);
      shift -= weight * (mean[column] as number);
      weights[k * columnCount + column] = weight / temperature;
    }
    bias[k] = shift / temperature;
  }
  return { weights, bias };
}
