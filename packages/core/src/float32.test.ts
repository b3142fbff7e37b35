import fc from "fast-check";
import { expect, test } from "vitest";
import { shortestFloat32 } from "./float32.ts";

/** By trying every number of digits, fewest first. */
function shortestByTrying(value: number): number {
  const lengths = [1, 2, 3, 4, 5, 6, 7, 8, 9];
  const texts = lengths.map((digits) => Number(value.toPrecision(digits)));
  return texts.find((each) => Math.fround(each) === value) ?? value;
}

const floats = fc.float({ noNaN: true, noDefaultInfinity: true }).filter((value) => value !== 0);
const fewDigits = fc
  .tuple(fc.integer({ min: 1, max: 999_999 }), fc.integer({ min: -44, max: 30 }))
  .map(([digits, exponent]) => Math.fround(Number(`${digits}e${exponent}`)))
  .filter((value) => value !== 0 && Number.isFinite(value));
const subnormals = fc.integer({ min: 1, max: 2 ** 23 }).map((count) => count * 2 ** -149);

test.each([
  { name: "any floats", values: floats },
  { name: "those of few digits", values: fewDigits },
  { name: "subnormal ones", values: subnormals },
])("$name are the same as by trying every length", ({ values }) => {
  fc.assert(
    fc.property(values, (value) => {
      expect(shortestFloat32(value)).toBe(shortestByTrying(value));
    }),
    { numRuns: 5_000 },
  );
});
