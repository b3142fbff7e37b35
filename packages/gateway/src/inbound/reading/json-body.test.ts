import { expect, test } from "vitest";
import { parseJsonBody } from "./json-body.ts";

const parse = (text: string) => parseJsonBody(Buffer.from(text));

test.each([
  { text: '{"image":{"b64":"AA=="}}', value: { image: { b64: "AA==" } } },
  { text: '["[[[[{{{{", "\\\\", "a\\"[b"]', value: ["[[[[{{{{", "\\", 'a"[b'] },
  { text: `${"[".repeat(32)}${"]".repeat(32)}`, value: expect.any(Array) },
])("$text is read", ({ text, value }) => {
  expect(parse(text)).toEqual(value);
});

test.each([
  { name: "deep arrays", text: "[".repeat(33), message: "deeper than 32" },
  { name: "ten million open arrays", text: "[".repeat(10_000_000), message: "deeper than 32" },
  { name: "deep objects", text: '{"a":'.repeat(33), message: "deeper than 32" },
  { name: "a million numbers", text: `[${"1,".repeat(1e6)}1]`, message: "beside texts" },
  { name: "an open text", text: '{"a', message: "not valid JSON" },
  { name: "a text that ends in a backslash", text: '"\\', message: "not valid JSON" },
  { name: "__proto__", text: '{"image":{"__proto__":1}}', message: "not allowed" },
  { name: "__proto__ in disguise", text: '{"\\u005f_proto__":{}}', message: "not allowed" },
  { name: "constructor", text: '[{"constructor":1}]', message: "not allowed" },
])("$name is refused", ({ text, message }) => {
  expect(() => parse(text)).toThrow(message);
});

test("bytes that are no UTF-8 are refused", () => {
  expect(() => parseJsonBody(Uint8Array.of(0x22, 0xff, 0x22))).toThrow("not valid JSON");
});
