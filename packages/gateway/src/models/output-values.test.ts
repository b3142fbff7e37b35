import fc from "fast-check";
import { expect, test } from "vitest";
import { HighestScores } from "./output-values.ts";

function highestOf(scores: Iterable<number>, count: number) {
  const highest = new HighestScores(count);
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

        const highest = highestOf(scores, count).takeAll((id, score) => ({ id, score }));

        expect(highest).toEqual(sorted.slice(0, count));
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
