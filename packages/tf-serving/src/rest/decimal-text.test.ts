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
