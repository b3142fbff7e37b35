import { seededRandom } from "@tensorgate/core";
import { type FeatureRows, rowAt } from "./feature-rows.ts";

/** Two pictures whose features are almost the same. */
export interface NearPair {
  readonly first: number;
  readonly second: number;
  /** Their distance as a share of the usual distance of two pictures: 0 for copies. */
  readonly distance: number;
}

/** Share of the median distance up to which two pictures count as near-duplicates. */
export const nearDistance = 0.1;

/** Share up to which they count as duplicates: two decodings of one picture differ by rounding. */
export const copyDistance = 1e-3;

/** Columns of the sketch by which pairs are chosen that are looked at closely. */
const sketchColumns = 48;

/**
 * Finds near-duplicates among standardised features. Random projections choose the pairs, then all features decide.
 *
 * @param maxPairs - no more are returned, nearest first
 */
export function findNearPairs(
  rows: FeatureRows,
  { maxPairs = 10_000 }: { readonly maxPairs?: number } = {},
): readonly NearPair[] {
  const { rowCount } = rows;
  const sketch = rows.columnCount <= sketchColumns ? rows : projected(rows);
  // Where most pictures are copies of one, the usual distance is 0, and only copies are found.
  const typical = medianDistance(rows) || 1;
  const typicalInSketch = medianDistance(sketch);
  // A projection keeps distances within some ten percent; twice the limit leaves out next to none.
  const limit = (2 * nearDistance * typicalInSketch) ** 2;
  const pairs: NearPair[] = [];
  for (let first = 0; first < rowCount; first += 1) {
    for (let second = first + 1; second < rowCount; second += 1) {
      if (squaredDistance(sketch, first, second, limit) > limit) continue;
      const distance = Math.sqrt(squaredDistance(rows, first, second, Infinity)) / typical;
      if (distance <= nearDistance && pairs.length < maxPairs)
        pairs.push({ first, second, distance });
    }
  }
  return pairs.sort((a, b) => a.distance - b.distance || a.first - b.first || a.second - b.second);
}

/** Returns a group for each row: rows that are linked by pairs are in one. */
export function groupsOf(rowCount: number, pairs: readonly NearPair[]): Int32Array {
  const parent = Int32Array.from({ length: rowCount }, (_, row) => row);
  const rootOf = (row: number): number => {
    let at = row;
    while (parent[at] !== at) at = parent[at] as number;
    return at;
  };
  for (const { first, second } of pairs) parent[rootOf(second)] = rootOf(first);
  return parent.map((_, row) => rootOf(row));
}

/** Multiplies rows by a matrix of random signs. */
function projected(rows: FeatureRows): FeatureRows {
  const { rowCount, columnCount } = rows;
  const random = seededRandom(1);
  const signs = Int8Array.from({ length: columnCount * sketchColumns }, () =>
    random.chance(0.5) ? 1 : -1,
  );
  const values = new Float32Array(rowCount * sketchColumns);
  const sums = new Float64Array(sketchColumns);
  for (let row = 0; row < rowCount; row += 1) {
    const features = rowAt(rows, row);
    sums.fill(0);
    for (let column = 0; column < columnCount; column += 1) {
      const value = features[column] as number;
      const at = column * sketchColumns;
      for (let k = 0; k < sketchColumns; k += 1) {
        sums[k] = (sums[k] as number) + value * (signs[at + k] as number);
      }
    }
    values.set(sums, row * sketchColumns);
  }
  return { rowCount, columnCount: sketchColumns, values };
}

/** Median distance of pairs that are spread evenly over all: at most 2,000 of them. */
function medianDistance(rows: FeatureRows): number {
  const { rowCount } = rows;
  const random = seededRandom(2);
  const distances: number[] = [];
  for (let draw = 0; draw < Math.min(2_000, rowCount * rowCount); draw += 1) {
    const first = random.below(rowCount);
    const second = random.below(rowCount);
    if (first !== second) distances.push(squaredDistance(rows, first, second, Infinity));
  }
  distances.sort((a, b) => a - b);
  return Math.sqrt(distances[distances.length >> 1] ?? 0);
}

/** It stops adding above `limit`. */
function squaredDistance(rows: FeatureRows, first: number, second: number, limit: number): number {
  const { columnCount, values } = rows;
  const a = first * columnCount;
  const b = second * columnCount;
  let sum = 0;
  for (let column = 0; column < columnCount && sum <= limit; column += 1) {
    const difference = (values[a + column] as number) - (values[b + column] as number);
    sum += difference * difference;
  }
  return sum;
}
