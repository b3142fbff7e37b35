import type { FeatureRows } from "./feature-rows.ts";

/** What makes the columns of a matrix comparable: `(value - mean) * scale`. */
export interface Standardisation {
  readonly mean: Float64Array;
  readonly scale: Float64Array;
}

/**
 * Added to the variance of a column relative to the mean variance of all, so that a feature that is almost constant in
 * few pictures does not drown the others.
 */
const varianceFloor = 1e-3;

/** Measures mean and spread of every column. A column that is constant gets the scale of a column of small variance. */
export function standardisationOf({ rowCount, columnCount, values }: FeatureRows): Standardisation {
  const mean = new Float64Array(columnCount);
  const variance = new Float64Array(columnCount);
  for (let at = 0; at < values.length; at += 1) {
    const column = at % columnCount;
    mean[column] = (mean[column] as number) + (values[at] as number) / rowCount;
  }
  let sum = 0;
  for (let at = 0; at < values.length; at += 1) {
    const column = at % columnCount;
    const square = ((values[at] as number) - (mean[column] as number)) ** 2 / rowCount;
    variance[column] = (variance[column] as number) + square;
    sum += square;
  }
  const floor = varianceFloor * (sum / columnCount) || 1;
  return { mean, scale: variance.map((each) => 1 / Math.sqrt(each + floor)) };
}

/** Returns the matrix with comparable columns. */
export function standardised(rows: FeatureRows, { mean, scale }: Standardisation): FeatureRows {
  const { columnCount } = rows;
  const values = new Float32Array(rows.values.length);
  for (let at = 0; at < values.length; at += 1) {
    const column = at % columnCount;
    values[at] =
      ((rows.values[at] as number) - (mean[column] as number)) * (scale[column] as number);
  }
  return { ...rows, values };
}
