import fc from "fast-check";
import { expect, test } from "vitest";
import { float32ArrayJson, float32Json, valuesPerTurn } from "./float32-json.ts";

test("reads back as the same float32", () => {
  fc.assert(
    fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) => {
      expect(Object.is(Math.fround(JSON.parse(float32Json(value))), value)).toBe(true);
    }),
    { numRuns: 2_000 },
  );
});

test.each([
  [Math.fround(0.1), "0.1"],
  [Math.fround(1 / 3), "0.33333334"],
  [1 / 3, "0.33333334"],
  [16_777_216, "16777216"],
  [Number.NaN, "null"],
])("%s is written as %s", (value, text) => {
  expect(float32Json(value)).toBe(text);
});

test.each([0, 1, valuesPerTurn, valuesPerTurn + 1, 5 * valuesPerTurn])(
  "an array of %i values lets others have their turn",
  async (length) => {
    let turnCount = 0;
    const values = Float32Array.from({ length }, (_, index) => index / 8);

    const text = await float32ArrayJson(values, async () => {
      turnCount += 1;
    });

    expect(JSON.parse(text)).toEqual([...values]);
    expect(turnCount).toBe(Math.max(0, Math.ceil(length / valuesPerTurn) - 1));
  },
);
