import { seededRandom } from "@tensorgate/core";
import { expect, test } from "vitest";
import { decimalText, generalText } from "./decimal-text.ts";

// As C's printf has it.
test.each([
  { value: 398061.5625, text: "398061.562" },
  { value: -398061.6875, text: "-398061.688" },
  { value: 1996120.625, text: "1996120.62" },
  { value: 398061.59375, text: "398061.594" },
  { value: 0.333333343, text: "0.333333343" },
  { value: 999999.5, text: "999999.5" },
  { value: 87.375, text: "87.375" },
])("$value is written with an even last digit if it is halfway", ({ value, text }) => {
  expect(decimalText(Math.fround(value), "float")).toBe(text);
});

test.each([
  { value: -46.70790100097656, text: "-46.707901000976562" },
  { value: 24.750000000000004, text: "24.750000000000004" },
  { value: -270.6162414550781, text: "-270.61624145507812" },
  { value: 5e-324, text: "4.94066e-324" },
])("the double $value is written so, too", ({ value, text }) => {
  expect(decimalText(value, "double")).toBe(text);
});

test.each([
  { value: 2.5, digits: 1, text: "2" },
  { value: 3.5, digits: 1, text: "4" },
  { value: 9.5, digits: 1, text: "1e+01" },
  { value: 1000005, digits: 6, text: "1e+06" },
  { value: 1000015, digits: 6, text: "1.00002e+06" },
  { value: 1.5e23, digits: 1, text: "2e+23" },
])("$value has $digits digits as $text", ({ value, digits, text }) => {
  expect(generalText(value, digits)).toBe(text);
});

/** By the digits that the engine gives, which takes ten times as long. */
function exactText(value: number, precision: number): string {
  const short = generalText(value, 6);
  const read = precision === 9 ? Math.fround(Number(short)) : Number(short);
  const text = read === value ? short : generalText(value, precision);
  return /[.e]/.test(text) ? text : `${text}.0`;
}

const floatOf = (bits: number) => new Float32Array(Uint32Array.of(bits).buffer)[0] as number;

test("floats of every magnitude are written digit by digit as the engine rounds them", () => {
  const { below } = seededRandom(3);
  for (let round = 0; round < 50_000; round += 1) {
    const value = floatOf(below(2 ** 32));
    if (Number.isFinite(value)) expect(decimalText(value, "float")).toBe(exactText(value, 9));
  }
});

test("doubles of every magnitude are, too", () => {
  const { below } = seededRandom(4);
  for (let round = 0; round < 10_000; round += 1) {
    const bits = Uint32Array.of(below(2 ** 32), below(2 ** 32));
    const [value = 0] = new Float64Array(bits.buffer);
    if (Number.isFinite(value)) expect(decimalText(value, "double")).toBe(exactText(value, 17));
  }
});

test.each([
  { value: 0, text: "0.0" },
  { value: -0, text: "-0.0" },
  { value: 1, text: "1.0" },
  { value: 100_000, text: "100000.0" },
  { value: 1e6, text: "1e+06" },
  { value: 123_456_792, text: "123456792.0" },
  { value: Math.fround(0.1), text: "0.1" },
  { value: Math.fround(0.9999999), text: "0.999999881" },
  { value: Math.fround(9.99999e-5), text: "9.99999e-05" },
  { value: 2 ** -149, text: "1.4013e-45" },
  { value: Number.NaN, text: "NaN" },
  { value: Number.NEGATIVE_INFINITY, text: "-Infinity" },
])("$value is written as $text", ({ value, text }) => {
  expect(decimalText(value, "float")).toBe(text);
});
