import { createWorkBudget } from "@tensorgate/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { doubleText } from "./double-text.ts";
import { JsonDocument } from "./json-document.ts";
import { JsonParseError } from "./json-fault.ts";
import { jsonKind } from "./json-nodes.ts";
import { jsonText } from "./json-text.ts";

const documentOf = (text: string) => new JsonDocument(Buffer.from(text));

test("a regular array of numbers is one node, whatever its rank", () => {
  const document = documentOf("[[[1, 2], [3, 4]], [[5, 6], [7, 8]], [[9, 10], [11, 12]]]");

  expect(document.kind(0)).toBe(jsonKind.numbers);
  expect(document.shape(0)).toEqual([3, 2, 2]);
  expect([...document.numbers(0)]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  expect(document.after(0)).toBe(1);
});

test.each([
  "[[1, 2], [3]]",
  "[[1], 2]",
  "[1, [2]]",
  "[[1, 2], []]",
  "[1, true]",
  '[1, "2"]',
  "[[1], [null]]",
])("%s is an array of several nodes", (text) => {
  const document = documentOf(text);

  expect(document.kind(0)).toBe(jsonKind.array);
  expect(document.count(0)).toBe(2);
  expect(jsonText(document, 0)).toBe(text);
});

test.each([
  { text: "[NaN, 1, -Infinity, Inf]", values: [Number.NaN, 1, -Infinity, Infinity] },
  { text: "[0.5,-0.25e1 ,\n1E-2\t]", values: [0.5, -2.5, 0.01] },
  { text: "[-0, -0.0]", values: [0, -0] },
  { text: "[9223372036854775808]", values: [2 ** 63] },
])("the numbers of $text are read", ({ text, values }) => {
  const numbers = documentOf(text).numbers(0);
  expect(numbers.length).toBe(values.length);
  for (const [index, value] of values.entries()) expect(numbers[index]).toBe(value);
});

// The exponent may be larger by as many decimals as there are, and so may the number then.
test.each([
  { text: "1.79769348623157e308", value: Infinity },
  { text: "-17976931348623157e308", value: -Infinity },
  { text: "0.1e309", value: 1e308 },
  { text: "0.00000000000000000000001e330", value: 1e307 },
  { text: "1e+0308", value: 1e308 },
  { text: "9".repeat(308), value: 1e308 },
])("$text is not too big", ({ text, value }) => {
  const [number] = documentOf(`[${text}]`).numbers(0);
  if (Number.isFinite(value)) expect(number).toBeCloseTo(value, -295);
  else expect(number).toBe(value);
});

// As the original's code has it, which reads doubles by multiplication, and writes neither NaN nor what is after it.
test.each([
  {
    text: "[0.30000000000000004, 26892.173499800265]",
    quoted: "[0.30000000000000007, 26892.173499800265]",
  },
  { text: "[123456789012345678901234567890, 1.0]", quoted: "[1.2345678901234566e29, 1.0]" },
  { text: "[-3929849821.1428523, 0.1e1]", quoted: "[-3929849821.142852, 1.0]" },
  { text: "[1.6662100260145964e-9, 5e-324]", quoted: "[1.6662100260145962e-9, 5e-324]" },
  { text: "[1, NaN, 3]", quoted: "[1, " },
  { text: "[[1, 2], [-Inf, 3]]", quoted: "[[1, 2], [" },
  { text: '{"a": [1], "b": 1.7976934e308, "c": 2}', quoted: '{\n    "a": [1],\n    "b": ' },
])("$text is quoted as $quoted", ({ text, quoted }) => {
  expect(jsonText(documentOf(text), 0)).toBe(quoted);
});

test("any double is read as it is", () => {
  fc.assert(
    fc.property(fc.array(fc.double({ noNaN: true }), { minLength: 1 }), (values) => {
      const finite = values.map((value) => (Number.isFinite(value) ? value : 1.5));
      const document = documentOf(`[${finite.map((value) => doubleText(value)).join(",")}]`);
      const got = document.numbers(0);
      for (const [index, value] of finite.entries()) expect(got[index]).toBe(value);
    }),
  );
});

/** A number of JSON with up to so many digits. */
const numberTexts = fc
  .record({
    sign: fc.constantFrom("", "-"),
    whole: fc.constantFrom("0", "7", "42", "255", "1024", "65535", "90000000", "1700000000"),
    decimals: fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 26 }),
    exponent: fc.constantFrom("", "", "", "e0", "e-05", "E+7", "e22", "e-23", "e-300"),
  })
  .map(({ sign, whole, decimals, exponent }) => {
    const fraction = decimals.length > 0 ? `.${decimals.join("")}` : "";
    return `${sign}${whole}${fraction}${exponent}`;
  });

test("any decimal is read as the double nearest to it", () => {
  fc.assert(
    fc.property(fc.array(numberTexts, { minLength: 1, maxLength: 40 }), (texts) => {
      const got = documentOf(`{"x": [${texts.join(", ")}]}`);
      const numbers = got.numbers(got.member(0, "x") ?? 0);
      expect(numbers.length).toBe(texts.length);
      for (const [index, text] of texts.entries()) {
        // The integer -0 is 0, as the original reads it.
        const expected = text === "-0" ? 0 : Number(text);
        expect(numbers[index], text).toBe(expected);
      }
    }),
    { numRuns: 500 },
  );
});

test.each([
  "[1,\u00012]",
  "[1\u0002,2]",
  "[1, \u00032]",
  "[\u00041]",
  "[[1],\u0005[2]]",
  "[[1]\u0006]",
])("%j has a character that is no blank", (text) => {
  expect(() => documentOf(text)).toThrow(JsonParseError);
});

// Halfway between two doubles, and next to it on either side.
const halves = [
  "1.00000000000000011102230246251565404236316680908203125",
  "1.00000000000000011102230246251565404236316680908203124",
  "1.00000000000000011102230246251565404236316680908203126",
  "0.500000000000000055511151231257827",
  "0.50000000000000005551115123125783",
  "1.0000000000000001",
  "0.30000000000000004",
  "2.2250738585072014e-308",
  "123.00000000000000710542735760100185871124267578125",
];

test.each(halves)("%s is rounded as it must be", (text) => {
  expect([...documentOf(`[${text}, 1, 2]`).numbers(0)]).toEqual([Number(text), 1, 2]);
});

test.each(["01", "-", "1.", "-.5", "1e", "+1", "00.5", "1.e5", "--1", "-a", "0x1", "1.5.5"])(
  "%s is no number, wherever it stands",
  (text) => {
    for (const around of [
      "[%]",
      "[1, %]",
      "[1, % , 2, 3, 4, 5, 6, 7, 8, 9]",
      '{"x": %, "y": 12345678}',
    ]) {
      expect(() => documentOf(around.replace("%", text)), around).toThrow(JsonParseError);
    }
  },
);

test("the text of a double reads back as the same", () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      expect(Number(doubleText(value))).toBe(value);
    }),
  );
});

test.each(["name", "é", "", "\\u006eame"])("a member is found by its name, %j", (written) => {
  const document = documentOf(`{"other": 1, "nam": 2, "${written}": 3, "name!": 4}`);
  const name = written.startsWith("\\") ? "name" : written;
  const value = document.member(0, name) ?? 0;
  expect([...document.numbers(value)]).toEqual([3]);
});

test("arrays are one node only as far as a tensor may have axes", () => {
  const depth = 300;
  const document = documentOf(`${"[".repeat(depth)}1${"]".repeat(depth)}`);
  expect(document.kind(0)).toBe(jsonKind.array);
  expect(document.shape(depth - 254)).toHaveLength(254);
});

test("nesting costs no stack", () => {
  const depth = 200_000;
  const document = documentOf(`${"[".repeat(depth)}${"]".repeat(depth)}`);
  expect(document.count(depth - 1)).toBe(0);
});

test("values beyond the budget are not read", () => {
  const text = Buffer.from(`[${"[],".repeat(100)}[]]`);
  expect(() => new JsonDocument(text, createWorkBudget(50))).toThrow("more than 50 elements");
});

test("more numbers than memory is meant for are not read", () => {
  const text = Buffer.alloc(2 ** 24 + 4, "1,");
  text[0] = "[".charCodeAt(0);
  text[1] = "1".charCodeAt(0);
  text.write(",1,1", 2);
  expect(() => new JsonDocument(text)).toThrow("more than 8388608 numbers");
});

test("a list of numbers costs one element, however long it is", () => {
  const text = Buffer.from(`[${"1,".repeat(10_000)}1]`);
  expect(new JsonDocument(text, createWorkBudget(1)).count(0)).toBe(10_001);
});

describe("what follows the first value is not read", () => {
  test.each(["{} {", "[1] x", '"a""', "1 2"])("%s", (text) => {
    expect(() => documentOf(text)).not.toThrow();
  });
});

test.each([
  { text: "", message: "The document is empty" },
  { text: "  ", message: "The document is empty. at offset: 2" },
  { text: "]", message: "The document is empty. at offset: 0" },
  { text: "[1 2]", message: "Missing a comma or ']' after an array element. at offset: 3" },
  { text: '{"a":1 "b":2}', message: "Missing a comma or '}' after an object member. at offset: 7" },
  { text: '{"a":1,}', message: "Missing a name for object member. at offset: 7" },
  { text: '{"a"}', message: "Missing a colon after a name of object member. at offset: 4" },
  { text: '["a', message: "Missing a closing quotation mark in string. at offset: 3" },
  { text: '["\\x"]', message: "Invalid escape character in string. at offset: 2" },
  { text: "[1.]", message: "Miss fraction part in number. at offset: 3" },
  { text: "[0e999]", message: "Number too big to be stored in double. at offset: 1" },
  { text: "[1e309]", message: "Number too big to be stored in double. at offset: 1" },
  { text: "[0.1e310]", message: "Number too big to be stored in double. at offset: 1" },
  { text: `[-${"9".repeat(309)}]`, message: "Number too big to be stored in double. at offset: 1" },
  { text: "[truu]", message: "Invalid value. at offset: 4" },
  { text: "[01]", message: "Missing a comma or ']' after an array element. at offset: 2" },
])("$text is refused", ({ text, message }) => {
  expect(() => documentOf(text)).toThrow(new JsonParseError("document-empty").message.slice(0, 18));
  expect(() => documentOf(text)).toThrow(message);
});
