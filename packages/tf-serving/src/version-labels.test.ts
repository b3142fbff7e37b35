import { expect, test } from "vitest";
import { versionLabelsFrom, versionLabelsText } from "./version-labels.ts";

test.each([
  { labels: [], text: "" },
  { labels: ["stable", "canary"], text: "canary,stable" },
  { labels: ["a,b", "größer\n"], text: "a%2Cb,gr%C3%B6%C3%9Fer%0A" },
])("$labels is written as $text, and read", ({ labels, text }) => {
  expect(versionLabelsText(labels)).toBe(text);
  expect(versionLabelsFrom(text)).toEqual(labels.toSorted());
});

test("of many labels the first ones fit, each whole", () => {
  const labels = Array.from({ length: 1_000 }, (_, index) => `label-${1_000 + index}`);

  const read = versionLabelsFrom(versionLabelsText(labels));

  expect(read.length).toBeGreaterThan(50);
  expect(read).toEqual(labels.slice(0, read.length));
});

test("what is wrongly encoded is left out", () => {
  expect(versionLabelsFrom("%,stable,%E0%A4%A")).toEqual(["stable"]);
});
