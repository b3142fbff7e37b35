import { expect, test } from "vitest";
import { labelsFromText, textFromUtf8 } from "./text-file.ts";

const latin1 = (text: string) => Uint8Array.from(text, (letter) => letter.charCodeAt(0));
const utf16 = (text: string, isBigEndian: boolean) =>
  Uint8Array.from(
    [...text].flatMap((letter) => {
      const code = letter.charCodeAt(0);
      return isBigEndian ? [code >> 8, code & 0xff] : [code & 0xff, code >> 8];
    }),
  );

test.each(["arrow\nbolt", "\ufeffarrow\nbolt"])("UTF-8 is read: %j", (text) => {
  expect(textFromUtf8(new TextEncoder().encode(text))).toBe("arrow\nbolt");
});

test("characters of every length are read", () => {
  expect(textFromUtf8(new TextEncoder().encode("é€😀"))).toBe("é€😀");
});

test.each([
  { name: "little-endian with a mark", bytes: utf16("\ufeffarrow\n", false) },
  { name: "big-endian with a mark", bytes: utf16("\ufeffarrow\n", true) },
  { name: "little-endian", bytes: utf16("arrow\n", false) },
  { name: "big-endian", bytes: utf16("arrow\n", true) },
  { name: "big-endian without ASCII, with a mark", bytes: utf16("\ufeff矢矢", true) },
])("UTF-16, $name, is a fault that says so", ({ bytes }) => {
  expect(() => textFromUtf8(bytes)).toThrow("it is UTF-16 or binary; save it as UTF-8");
});

test.each([
  { name: "Latin-1", bytes: latin1("arrow\nfl\xe8che\n"), line: 2 },
  { name: "a character that is cut off", bytes: latin1("\xe2\x82"), line: 1 },
  { name: "a surrogate", bytes: latin1("a\r\nb\r\n\xed\xa0\x80"), line: 3 },
])("$name is a fault that names the line", ({ bytes, line }) => {
  expect(() => textFromUtf8(bytes)).toThrow(`line ${line} is not UTF-8; save it as UTF-8`);
});

test.each([
  "arrow\nbolt\ncheck",
  "arrow\r\nbolt\r\ncheck\r\n",
  "arrow\rbolt\rcheck",
  "\ufeffarrow \n bolt\t\ncheck\n\n\n",
  "arrow\n\ufeffbolt\ncheck",
])("labels are the lines of a text: %j", (text) => {
  expect(labelsFromText(text)).toEqual(["arrow", "bolt", "check"]);
});

test("an empty line between labels is a label", () => {
  expect(labelsFromText("arrow\n\nbolt\n")).toEqual(["arrow", "", "bolt"]);
});
