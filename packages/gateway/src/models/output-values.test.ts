import { float32Tensor } from "@tensorgate/core";
import fc from "fast-check";
import { expect, test } from "vitest";
import { HighestScores, valuesOfPicture } from "./output-values.ts";

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

const output = { name: "scores", what: "scores" };
const outputsOf = (values: Float32Array) =>
  new Map([["scores", float32Tensor([values.length], values)]]);

test("values with NaN anywhere among them are refused, and all others are read, infinities too", () => {
  const anyValue = fc.float({ noDefaultInfinity: false });
  fc.assert(
    fc.property(fc.array(anyValue, { maxLength: 9 }), (given) => {
      const values = Float32Array.from(given);
      const count = values.filter(Number.isNaN).length;
      const read = () => valuesOfPicture(outputsOf(values), output);

      if (count > 0) expect(read).toThrow(`${count} of ${values.length} scores`);
      else expect(read()).toEqual(values);
    }),
    { numRuns: 500 },
  );
});

test("infinities of both signs are no NaN", () => {
  const values = Float32Array.of(Number.POSITIVE_INFINITY, 1, Number.NEGATIVE_INFINITY);

  expect(valuesOfPicture(outputsOf(values), output)).toEqual(values);
});

test.each([0, 1, 2, 3, 4])("NaN at %i of five is found", (at) => {
  const values = Float32Array.from({ length: 5 }, (_, index) => (index === at ? Number.NaN : 1));

  expect(() => valuesOfPicture(outputsOf(values), output)).toThrow("1 of 5 scores is NaN");
});

test.each([1, 255, 256, 1_000, 4_096, 4_097, 20_000])(
  "%i values at any offset are what they were, however many are read after them",
  (count) => {
    const replies = Array.from({ length: 40 }, (_, reply) => {
      const values = Float32Array.from({ length: count }, (_, at) => reply * 100_000 + at);
      const message = new Uint8Array(values.byteLength + 4);
      const data = message.subarray(reply % 5, (reply % 5) + values.byteLength);
      data.set(new Uint8Array(values.buffer));
      const outputs = new Map([["scores", { dtype: "FP32" as const, shape: [count], data }]]);
      return { values, outputs };
    });

    const read = replies.map(({ outputs }) => valuesOfPicture(outputs, output));

    expect(read).toEqual(replies.map(({ values }) => values));
  },
);
