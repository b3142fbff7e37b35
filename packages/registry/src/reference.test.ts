import { describe, expect, test } from "vitest";
import { assertAlias, isModelName, versionFrom } from "./names.ts";
import { type ModelReference, parseReference, referenceText } from "./reference.ts";

const latest = { kind: "latest" } as const;
const three = { kind: "version", version: 3n } as const;
const champion = { kind: "alias", alias: "champion" } as const;

test.each<{ text: string; at: ModelReference["at"] }>([
  { text: "resnet50", at: latest },
  { text: "models:/resnet50", at: latest },
  { text: "models:/resnet50/latest", at: latest },
  { text: "resnet50@3", at: three },
  { text: "resnet50@00003", at: three },
  { text: "models:/resnet50/3", at: three },
  { text: "resnet50@champion", at: champion },
  { text: "models:/resnet50@champion", at: champion },
])("$text names $at.kind", ({ text, at }) => {
  expect(parseReference(text)).toEqual({ name: "resnet50", at });
});

test.each([
  "",
  "@3",
  "resnet50@",
  "resnet50@3x",
  "resnet50@a/b",
  "../resnet50@1",
  "resnet50/3",
  "models:/resnet50/champion",
  "resnet50@-1",
])("%j is no reference", (text) => {
  expect(() => parseReference(text)).toThrow(/invalid/);
});

test.each([latest, three, champion])("a reference to a $kind is read as it is written", (at) => {
  const reference = { name: "a.b-c_d", at };

  expect(parseReference(referenceText(reference))).toEqual(reference);
});

test.each(["..", ".hidden", "a/b", "a b", "", "x".repeat(129)])("%j is no name", (name) => {
  expect(isModelName(name)).toBe(false);
});

describe("an alias that looks like a version is refused", () => {
  test.each(["3", "v3", "V12", "latest", "Latest"])("%s", (alias) => {
    expect(() => assertAlias(alias)).toThrow(/looks like a version/);
  });
});

test("versions have 64 bits", () => {
  expect(versionFrom("9223372036854775807")).toBe(2n ** 63n - 1n);
  expect(versionFrom("9223372036854775808")).toBeUndefined();
});
