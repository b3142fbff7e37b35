import { InvalidRequestError } from "@tensorgate/core";
import { expect, test } from "vitest";
import { type Head, headLogits } from "./head.ts";
import { teach } from "./teach.ts";
import { drawnExamples } from "./testing.ts";

const classes = ["a", "b", "c"];

function shareRight(head: Omit<Head, "backbone">, examples: ReturnType<typeof drawnExamples>) {
  const right = examples.filter(({ classIndex, features }) => {
    const logits = headLogits({ ...head, backbone: noBackbone }, features);
    return logits.indexOf(Math.max(...logits)) === classIndex;
  });
  return right.length / examples.length;
}

const noBackbone = { model: "", version: "", reference: new Float32Array(0) };

test.each([
  { name: "more features than pictures", featureCount: 400 },
  { name: "more pictures than features", featureCount: 16 },
])("separate classes are distinguished: $name", ({ featureCount }) => {
  const all = drawnExamples({ featureCount, perClass: 40, spread: 0.8 });
  const isTaught = ({ id }: { id: string }) => Number(id.split("/")[1]) < 20;
  const { head, report } = teach(all.filter(isTaught), { classes });
  expect(
    shareRight(
      head,
      all.filter((each) => !isTaught(each)),
    ),
  ).toBeGreaterThan(0.95);
  expect(report.crossValidation.share).toBeGreaterThan(0.95);
  expect(report.heldOut?.count).toBe(12);
  expect(report.confusion.flat().reduce((sum, each) => sum + each, 0)).toBe(12);
});

test("features that say nothing are measured as chance or less, and get a strong penalty", () => {
  const all = drawnExamples({ perClass: 60, featureCount: 300 }).map((example, at) => ({
    ...example,
    classIndex: (at * 7) % 3,
  }));
  const { report } = teach(all, { classes });
  expect(report.crossValidation.low).toBeLessThan(1 / 3);
  expect(report.crossValidation.share).toBeGreaterThan(0.15);
  expect(report.penalty).toBeGreaterThanOrEqual(1);
});

test("the same seed gives the same head to the last bit, another one another split", () => {
  const examples = drawnExamples({ spread: 2 });
  const first = teach(examples, { classes, seed: 5 });
  expect(teach(examples, { classes, seed: 5 })).toEqual(first);
  expect(teach(examples, { classes, seed: 6 }).report.heldOut).toBeDefined();
  expect(teach(examples, { classes, seed: 6 }).report).not.toEqual(first.report);
});

test("a class with few pictures is not given up for one with many", () => {
  const options = { classCount: 2, featureCount: 30, spread: 2.2 };
  const { head } = teach(drawnExamples({ ...options, perClass: [90, 6] }), {
    classes: ["many", "few"],
  });
  const others = drawnExamples({ ...options, perClass: 200 });
  const few = others.filter(({ classIndex }) => classIndex === 1);
  expect(shareRight(head, few)).toBeGreaterThan(0.6);
});

test("the picture in the wrong class is the hardest, and its twin is named", () => {
  const examples = [...drawnExamples({ spread: 0.5, featureCount: 200 })];
  const [first] = examples;
  if (!first) throw new Error("no example");
  examples.push({ ...first, id: "misplaced", classIndex: 2 });
  const { report } = teach(examples, { classes });
  expect(report.hardest.slice(0, 2).map(({ id }) => id)).toContain("misplaced");
  expect(report.duplicates).toMatchObject({
    count: 1,
    nearest: [{ first: first.id, second: "misplaced", distance: 0, isAcrossClasses: true }],
  });
});

test("scores say how often they are right", () => {
  const { head, report } = teach(drawnExamples({ spread: 4, perClass: 60 }), { classes });
  let sum = 0;
  let right = 0;
  const others = drawnExamples({ spread: 4, perClass: 400 }).filter(
    ({ id }) => Number(id.split("/")[1]) >= 60,
  );
  for (const { features, classIndex } of others) {
    const logits = headLogits({ ...head, backbone: noBackbone }, features);
    const powers = logits.map(Math.exp);
    const score = Math.max(...powers) / powers.reduce((total, each) => total + each, 0);
    sum += score;
    if (logits.indexOf(Math.max(...logits)) === classIndex) right += 1;
  }
  expect(Math.abs(sum - right) / others.length).toBeLessThan(0.08);
  expect(report.temperature).toBeGreaterThan(0.05);
});

test("without a holdout the folds measure", () => {
  const { report } = teach(drawnExamples(), { classes, holdout: 0 });
  expect(report.heldOut).toBeUndefined();
  expect(report.confusion.flat().reduce((sum, each) => sum + each, 0)).toBe(60);
});

test("two pictures of each class are enough to begin", () => {
  const { head, report } = teach(drawnExamples({ perClass: 2, spread: 0.2 }), { classes });
  expect(head.classes).toEqual(classes);
  expect(report.crossValidation.foldCount).toBe(2);
});

test.each([
  { name: "one class", examples: drawnExamples({ classCount: 1 }), of: ["a"], says: /2 to 1000/ },
  {
    name: "one picture",
    examples: drawnExamples({ perClass: [5, 1, 5] }),
    of: classes,
    says: /class "b" has 1 picture; at least 2/,
  },
  { name: "equal names", examples: drawnExamples(), of: ["a", "a", "b"], says: /same name/ },
  {
    name: "other lengths",
    examples: [...drawnExamples(), { id: "x", classIndex: 0, features: new Float32Array(3) }],
    of: classes,
    says: /"x" has 3 features, but the first one has 40/,
  },
  {
    name: "NaN",
    examples: [
      ...drawnExamples({ featureCount: 1 }),
      { id: "x", classIndex: 0, features: Float32Array.of(Number.NaN) },
    ],
    of: classes,
    says: /"x" has features that are not finite/,
  },
])("$name is refused", ({ examples, of, says }) => {
  expect(() => teach(examples, { classes: of })).toThrow(InvalidRequestError);
  expect(() => teach(examples, { classes: of })).toThrow(says);
});

test("pictures that are all alike can be taught, if to no use", () => {
  const features = new Float32Array(10).fill(1);
  const examples = [0, 0, 0, 1, 1, 1].map((classIndex, at) => ({
    id: `${at}`,
    classIndex,
    features,
  }));
  const { head } = teach(examples, { classes: ["a", "b"] });
  expect(head.weights.every(Number.isFinite)).toBe(true);
});

test("1,280 features of 213 pictures in 8 classes take about a second", () => {
  const examples = drawnExamples({ classCount: 8, perClass: 27, featureCount: 1_280, spread: 5 });
  const startedMs = performance.now();
  const { report } = teach(examples, { classes: [..."abcdefgh"] });
  expect(report.crossValidation.share).toBeGreaterThan(0.6);
  // Far above what it takes, for a busy machine.
  expect(performance.now() - startedMs).toBeLessThan(8_000);
});
