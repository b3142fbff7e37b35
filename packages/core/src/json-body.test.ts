import { expect, test } from "vitest";
import { chargeJson, parseJsonBody } from "./json-body.ts";
import { createWorkBudget } from "./message-reader.ts";

const parse = (text: string) => parseJsonBody(Buffer.from(text), createWorkBudget(16_384));

test.each([
  { text: '{"image":{"b64":"AA=="}}', value: { image: { b64: "AA==" } } },
  { text: '["[[[[{{{{", "\\\\", "a\\"[b"]', value: ["[[[[{{{{", "\\", 'a"[b'] },
  { text: `{"${"k".repeat(1_024)}":"${"v".repeat(2_000)}"}`, value: expect.any(Object) },
  { text: `${"[".repeat(32)}${"]".repeat(32)}`, value: expect.any(Array) },
])("$text is read", ({ text, value }) => {
  expect(parse(text)).toEqual(value);
});

test.each([
  { name: "deep arrays", text: "[".repeat(33), message: "deeper than 32" },
  { name: "ten million open arrays", text: "[".repeat(10_000_000), message: "deeper than 32" },
  { name: "deep objects", text: '{"a":'.repeat(33), message: "deeper than 32" },
  {
    name: "a million numbers",
    text: `[${"1,".repeat(1e6)}1]`,
    message: "more than 16384 elements",
  },
  {
    name: "a long key",
    text: `{"a":{"${"k".repeat(1_025)}" : 1}}`,
    message: "key or name of more than 1024 bytes",
  },
  { name: "an open text", text: '{"a', message: "not valid JSON" },
  { name: "a text that ends in a backslash", text: '"\\', message: "not valid JSON" },
  { name: "__proto__", text: '{"image":{"__proto__":1}}', message: "not allowed" },
  { name: "__proto__ in disguise", text: '{"\\u005f_proto__":{}}', message: "not allowed" },
  { name: "constructor", text: '[{"constructor":1}]', message: "not allowed" },
])("$name is refused", ({ text, message }) => {
  expect(() => parse(text)).toThrow(message);
});

test("bytes that are no UTF-8 are refused", () => {
  expect(() => parseJsonBody(Uint8Array.of(0x22, 0xff, 0x22), createWorkBudget(9))).toThrow(
    "not valid JSON",
  );
});

test.each([
  { text: "1", elements: 1 },
  { text: "[]", elements: 1 },
  { text: "[1,-2.5e3,true,null]", elements: 5 },
  { text: '{"a":[{"b":"c"},"d"]}', elements: 7 },
  { text: '"a\\"b\\\\"', elements: 2 },
  { text: `[${" ".repeat(62)}]`, elements: 3 },
  { text: `"${"[,".repeat(1_000)}"`, elements: 1 },
  { text: "1".repeat(320), elements: 11 },
])("$text costs $elements elements", ({ text, elements }) => {
  const budget = createWorkBudget(1_000);

  chargeJson(Buffer.from(text), budget);

  expect(budget.spent).toBe(elements);
});

test.each(["[],", "{},", '"",', '""', '"\\" ', '\\"', "1,", '{"a":1},', "\n", "9", ":0", "tru "])(
  "a bomb of %j is read to the end of the budget, and no further",
  (piece) => {
    const budget = createWorkBudget(1_000);

    expect(() => chargeJson(Buffer.from(`[${piece.repeat(100_000)}`), budget)).toThrow(
      expect.objectContaining({ reason: "too-large" }),
    );

    expect(budget.spent).toBe(1_001);
  },
);

test("a text of backslashes alone is looked at twice, whatever stands in it", () => {
  const budget = createWorkBudget(1_000);

  chargeJson(Buffer.from(`"${"\\".repeat(1_000_001)}"`), budget);

  expect(budget.spent).toBe(2);
});
