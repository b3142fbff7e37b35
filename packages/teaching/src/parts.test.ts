import { seededRandom } from "@tensorgate/core";
import { expect, test } from "vitest";
import { temperatureOf } from "./calibration.ts";
import { findNearPairs, groupsOf } from "./duplicates.ts";
import { featureRows } from "./feature-rows.ts";
import { stratifiedFolds, stratifiedHoldout } from "./folds.ts";
import { accuracyOf } from "./measures.ts";
import { minimise } from "./minimise.ts";
import { rowSpaceOf } from "./row-space.ts";
import { balancedWeights, fitSoftmax, logitsOf } from "./softmax-regression.ts";
import { drawnExamples } from "./testing.ts";

test("the minimum of Rosenbrock's valley is found", () => {
  const { point } = minimise(
    ([x = 0, y = 0], gradient) => {
      gradient[0] = -2 * (1 - x) - 400 * x * (y - x * x);
      gradient[1] = 200 * (y - x * x);
      return (1 - x) ** 2 + 100 * (y - x * x) ** 2;
    },
    Float64Array.of(-1.2, 1),
    { maxSteps: 200, tolerance: 1e-14 },
  );
  expect(point[0]).toBeCloseTo(1, 4);
  expect(point[1]).toBeCloseTo(1, 4);
});

test("where the regression ends, the gradient by differences is 0", () => {
  const examples = drawnExamples({ classCount: 3, perClass: 10, featureCount: 4, spread: 3 });
  const classes = Int32Array.from(examples, ({ classIndex }) => classIndex);
  const rows = featureRows(examples);
  const classWeights = balancedWeights(classes, 3);
  const fitted = fitSoftmax(
    { rows, classes, classCount: 3, classWeights },
    { penalty: 0.1, maxSteps: 500, tolerance: 1e-13 },
  );
  const loss = (weights: Float64Array) => {
    const logits = logitsOf(rows, weights);
    let sum = 0;
    for (const [row, own] of classes.entries()) {
      const scores = logits.subarray(row * 3, row * 3 + 3);
      sum += Math.log(scores.reduce((total, each) => total + Math.exp(each), 0));
      sum -= scores[own] as number;
    }
    const square = weights.reduce((total, each, at) => total + (at % 5 === 4 ? 0 : each * each), 0);
    return sum / classes.length + 0.05 * square;
  };
  for (const at of fitted.keys()) {
    const up = Float64Array.from(fitted);
    const down = Float64Array.from(fitted);
    up[at] = (up[at] as number) + 1e-5;
    down[at] = (down[at] as number) - 1e-5;
    expect(Math.abs(loss(up) - loss(down)) / 2e-5).toBeLessThan(1e-3);
  }
});

test("in the space of its rows a matrix has the same products, and weights lead back", () => {
  const rows = featureRows([
    ...drawnExamples({ classCount: 2, perClass: 5, featureCount: 60 }),
    // Twice the same row: the space has a dimension less.
    ...drawnExamples({ classCount: 1, perClass: 1, featureCount: 60 }),
    ...drawnExamples({ classCount: 1, perClass: 1, featureCount: 60 }),
  ]);
  const space = rowSpaceOf(rows);
  expect(space.rows.columnCount).toBeLessThanOrEqual(11);
  const random = seededRandom(1);
  const weights = Float64Array.from({ length: space.rows.columnCount }, () =>
    random.between(-1, 1),
  );
  const columns = space.toColumns(weights);
  for (let row = 0; row < rows.rowCount; row += 1) {
    const scoreBy = (values: Float32Array, width: number, by: Float64Array) =>
      by.reduce((sum, each, at) => sum + each * (values[row * width + at] as number), 0);
    const inSpace = scoreBy(space.rows.values, space.rows.columnCount, weights);
    expect(scoreBy(rows.values, 60, columns)).toBeCloseTo(inSpace, 2);
  }
});

test("folds have each class evenly, and keep a group together", () => {
  for (let seed = 0; seed < 200; seed += 1) {
    const random = seededRandom(seed);
    const count = 20 + random.below(60);
    const classes = Int32Array.from({ length: count }, () => random.below(3));
    const groups = Int32Array.from({ length: count }, (_, row) => (row > 0 && row < 4 ? 0 : row));
    const folds = stratifiedFolds(classes, { foldCount: 3, random, groups });
    const held = stratifiedHoldout(classes, { share: 0.25, random, groups });
    for (const k of [0, 1, 2]) {
      const members = [...classes.keys()].filter((row) => classes[row] === k);
      const ofClass = [0, 1, 2].map((f) => members.filter((row) => folds[row] === f).length);
      expect(Math.max(...ofClass) - Math.min(...ofClass)).toBeLessThanOrEqual(4);
      const heldCount = members.filter((row) => held.includes(row)).length;
      if (members.length > 1) expect(heldCount).toBeLessThan(members.length);
      const grouped = members.filter((row) => row < 4);
      const units = new Set(members.map((row) => groups[row])).size;
      if (units >= 3) expect(new Set(grouped.map((row) => folds[row])).size).toBeLessThan(2);
    }
  }
});

test("Wilson's interval is that of the literature", () => {
  expect(accuracyOf(15, 16)).toMatchObject({ share: 0.9375 });
  expect(accuracyOf(15, 16).low).toBeCloseTo(0.717, 3);
  expect(accuracyOf(15, 16).high).toBeCloseTo(0.989, 3);
  expect(accuracyOf(0, 10).low).toBe(0);
  expect(accuracyOf(10, 10).high).toBeCloseTo(1, 10);
});

test("logits that are three times too sure get temperature 3", () => {
  const random = seededRandom(3);
  const count = 4_000;
  const logits = new Float64Array(count * 2);
  const classes = new Int32Array(count);
  for (let row = 0; row < count; row += 1) {
    const logit = random.between(-3, 3);
    classes[row] = random.next() < 1 / (1 + Math.exp(-logit)) ? 1 : 0;
    logits[row * 2 + 1] = logit * 3;
  }
  expect(temperatureOf(logits, classes)).toBeGreaterThan(2.7);
  expect(temperatureOf(logits, classes)).toBeLessThan(3.3);
});

test.each([20, 600])("near copies are found among %s features", (featureCount) => {
  const examples = [...drawnExamples({ featureCount, perClass: 30 })];
  const random = seededRandom(9);
  for (const at of [3, 40]) {
    const { features } = examples[at] ?? { features: new Float32Array(0) };
    const noisy = features.map((each) => each + random.between(-0.05, 0.05));
    examples.push({ id: `copy of ${at}`, classIndex: 0, features: noisy });
  }
  const pairs = findNearPairs(featureRows(examples));
  expect(pairs.map(({ first, second }) => [first, second]).sort()).toEqual([
    [3, 90],
    [40, 91],
  ]);
  const groups = groupsOf(92, [...pairs, { first: 90, second: 91, distance: 0 }]);
  expect(new Set([3, 40, 90, 91].map((row) => groups[row])).size).toBe(1);
});

test("copies are found where most pictures are copies of one", () => {
  const [one, other] = drawnExamples({ featureCount: 20, perClass: 1 });
  if (!one || !other) throw new Error("two examples are drawn");
  const examples = [one, one, one, other].map((each, at) => ({ ...each, id: `${at}` }));
  expect(findNearPairs(featureRows(examples))).toEqual([
    { first: 0, second: 1, distance: 0 },
    { first: 0, second: 2, distance: 0 },
    { first: 1, second: 2, distance: 0 },
  ]);
});
