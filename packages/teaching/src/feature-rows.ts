import { counted, InvalidRequestError } from "@tensorgate/core";

/** Most values (pictures × features) that are taken, 200 MB of them. */
export const maxFeatureValues = 50_000_000;

/** Most classes of one head. */
export const maxClasses = 1_000;

/** Most pictures: duplicates are searched for among all pairs. */
export const maxExamples = 10_000;

/** A picture that a head is taught on. */
export interface Example {
  /** Name of the picture, for reports. */
  readonly id: string;
  /** Index into the class names. */
  readonly classIndex: number;
  /** Features of the picture, as many as those of every other. */
  readonly features: Float32Array;
}

/** A matrix, row-major: a row for each picture. */
export interface FeatureRows {
  readonly rowCount: number;
  readonly columnCount: number;
  readonly values: Float32Array;
}

/**
 * Stacks the features of examples.
 *
 * @throws InvalidRequestError if there are too many of them, or they differ in length or contain NaN or infinity
 */
export function featureRows(examples: readonly Example[]): FeatureRows {
  const columnCount = examples[0]?.features.length ?? 0;
  const rowCount = examples.length;
  if (columnCount === 0) throw new InvalidRequestError("the pictures have no features");
  if (rowCount > maxExamples) {
    throw new InvalidRequestError(
      `${counted(rowCount, "picture")} are too many to teach; the limit is ${maxExamples}`,
    );
  }
  if (rowCount * columnCount > maxFeatureValues) {
    throw new InvalidRequestError(
      `${counted(rowCount, "picture")} with ${counted(columnCount, "feature")} are too many values; the limit is ${maxFeatureValues}`,
      { hint: "teach on fewer pictures, or on an output with fewer features" },
    );
  }
  const values = new Float32Array(rowCount * columnCount);
  for (const [row, { id, features }] of examples.entries()) {
    if (features.length !== columnCount) {
      throw new InvalidRequestError(
        `picture "${id}" has ${counted(features.length, "feature")}, but the first one has ${columnCount}`,
        { hint: "all features must come from the same version of one model" },
      );
    }
    if (!features.every(Number.isFinite)) {
      throw new InvalidRequestError(`picture "${id}" has features that are not finite`);
    }
    values.set(features, row * columnCount);
  }
  return { rowCount, columnCount, values };
}

/** Returns one row, as a view. */
export function rowAt({ columnCount, values }: FeatureRows, row: number): Float32Array {
  return values.subarray(row * columnCount, (row + 1) * columnCount);
}

/** Returns a copy of some rows, in the order given. */
export function selectRows(rows: FeatureRows, selected: readonly number[]): FeatureRows {
  const { columnCount } = rows;
  const values = new Float32Array(selected.length * columnCount);
  for (const [at, row] of selected.entries()) values.set(rowAt(rows, row), at * columnCount);
  return { rowCount: selected.length, columnCount, values };
}
