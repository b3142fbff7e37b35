import fc from "fast-check";
import { expect, test } from "vitest";
import { createHighestScores, softmax, topLabels } from "./top-scores.ts";

function highestOf(scores: Iterable<number>, count: number) {
  const highest = createHighestScores(count);
  let id = 0;
  for (const score of scores) highest.offer(id++, score);
  return highest;
}

test("they are those that sorting all of them gives, of equal ones the first", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 60 }),
      fc.integer({ min: 1, max: 20 }),
      (scores, count) => {
        const sorted = scores
          .map((score, id) => ({ id, score }))
          .toSorted((a, b) => b.score - a.score || a.id - b.id);

        expect(highestOf(scores, count).all()).toEqual(sorted.slice(0, count));
      },
    ),
  );
});

test.each([
  { order: "rising", scoreAt: (id: number) => id },
  { order: "falling", scoreAt: (id: number) => -id },
  { order: "equal", scoreAt: () => 1 },
  { order: "mixed", scoreAt: (id: number) => Math.imul(id, 0x9e37_79b1) },
])("50,000 $order scores take no more comparisons than a heap does", ({ scoreAt }) => {
  const scoreCount = 50_000;
  for (const count of [1, 5, 1_024, scoreCount]) {
    const highest = highestOf(
      Array.from({ length: scoreCount }, (_, id) => scoreAt(id)),
      count,
    );

    const depth = Math.ceil(Math.log2(count + 1));
    expect(highest.comparisonCount).toBeLessThanOrEqual(2 * scoreCount * depth);
  }
});

const anyScores = fc.float32Array({ minLength: 1, maxLength: 40, noNaN: true, min: 0, max: 1 });

test("the best are those of a sort, and equals keep their order", () => {
  fc.assert(
    fc.property(anyScores, fc.integer({ min: 1, max: 10 }), (scores, topK) => {
      const sorted = [...scores.entries()].sort(([i, a], [j, b]) => b - a || i - j).slice(0, topK);

      const best = topLabels(scores, [], { topK, minScore: 0 });

      expect(best.map(({ index }) => index)).toEqual(sorted.map(([index]) => index));
    }),
  );
});

test("scores below the least, and those that are no number, are left out", () => {
  const scores = Float32Array.of(0.2, Number.NaN, 0.7, 0.1);

  expect(topLabels(scores, ["a", "b", "c", "d"], { topK: 9, minScore: 0.15 })).toMatchObject([
    { index: 2, label: "c" },
    { index: 0, label: "a" },
  ]);
});

test("a class without a label is called by its number", () => {
  expect(topLabels(Float32Array.of(1), [], { topK: 1, minScore: 0 })[0]?.label).toBe("0");
});

test("softmax of large logits sums to 1", () => {
  const probabilities = softmax(Float32Array.of(1_000, 1_001, 999));

  expect(probabilities.reduce((sum, each) => sum + each)).toBeCloseTo(1, 6);
  expect(probabilities[1]).toBeCloseTo(0.6652, 4);
});
