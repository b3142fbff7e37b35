import fc from "fast-check";
import { expect, test } from "vitest";
import { float32Json } from "./float32-json.ts";

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
