import { meanLoss, temperatureOf } from "./calibration.ts";
import { selectRows } from "./feature-rows.ts";
import type { Labelled } from "./fit-head.ts";
import { rowSpaceOf } from "./row-space.ts";
import {
  balancedWeights,
  fitSoftmax,
  logitsOf,
  type RegressionWeights,
} from "./softmax-regression.ts";
import { standardisationOf, standardised } from "./standardise.ts";

/** Penalties that are tried, strongest first: each fit starts where the one before ended. */
const penalties = [10, 1, 0.1, 0.01, 0.001];

/** In folds a fit need not be exact: only the order of its scores is looked at. */
const rough = { maxSteps: 60, tolerance: 1e-5 };

export interface CrossValidation {
  /** The penalty with the lowest loss. */
  readonly penalty: number;
  readonly temperature: number;
  /** Of every row, by a head that was fitted without its fold: shape `[rowCount, classCount]`. */
  readonly logits: Float64Array;
}

/**
 * Chooses the penalty by which heads that were fitted without a fold predict that fold best, and the temperature that
 * calibrates those predictions. The loss decides, not the accuracy, which few pictures measure too coarsely.
 *
 * Columns are standardised over all rows, which looks at no class.
 *
 * @param folds - the fold of each row
 */
export function crossValidate(
  { rows, classes, classCount }: Labelled,
  folds: Int32Array,
): CrossValidation {
  const space = rowSpaceOf(standardised(rows, standardisationOf(rows))).rows;
  const logits = penalties.map(() => new Float64Array(classes.length * classCount));
  for (let fold = 0; fold <= Math.max(...folds); fold += 1) {
    const inside = rowsWhere(folds, (each) => each === fold);
    const outside = rowsWhere(folds, (each) => each !== fold);
    const own = Int32Array.from(outside, (row) => classes[row] as number);
    const training = {
      rows: selectRows(space, outside),
      classes: own,
      classCount,
      classWeights: balancedWeights(own, classCount),
    };
    const tested = selectRows(space, inside);
    let start: RegressionWeights | undefined;
    for (const [at, penalty] of penalties.entries()) {
      start = fitSoftmax(training, { penalty, ...rough, ...(start && { start }) });
      const predicted = logitsOf(tested, start);
      for (const [index, row] of inside.entries()) {
        const of = predicted.subarray(index * classCount, (index + 1) * classCount);
        logits[at]?.set(of, row * classCount);
      }
    }
  }
  const calibrated = logits.map((each, at) => {
    const temperature = temperatureOf(each, classes);
    const loss = meanLoss(each, classes, temperature);
    return { penalty: penalties[at] as number, temperature, loss, logits: each };
  });
  return calibrated.reduce((best, each) => (each.loss < best.loss ? each : best));
}

function rowsWhere(folds: Int32Array, holds: (fold: number) => boolean): readonly number[] {
  const rows: number[] = [];
  for (const [row, fold] of folds.entries()) if (holds(fold)) rows.push(row);
  return rows;
}
