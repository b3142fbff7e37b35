import { expect, test } from "vitest";
import { intersectionOverUnion } from "./edges.ts";

test.each([
  { other: { top: 0, left: 0, bottom: 1, right: 1 }, overlap: 1, because: "they are the same" },
  { other: { top: 0, left: 0.5, bottom: 1, right: 1 }, overlap: 0.5, because: "one is half" },
  { other: { top: 2, left: 0, bottom: 3, right: 1 }, overlap: 0, because: "they are apart" },
  { other: { top: 0, left: 0, bottom: 0, right: 0 }, overlap: 0, because: "one is empty" },
])("two boxes overlap by $overlap: $because", ({ other, overlap }) => {
  const box = { top: 0, left: 0, bottom: 1, right: 1 };

  expect(intersectionOverUnion(box, other)).toBe(overlap);
});

test("two empty boxes in one place do not overlap", () => {
  const empty = { top: 0.5, left: 0.5, bottom: 0.5, right: 0.5 };

  expect(intersectionOverUnion(empty, empty)).toBe(0);
});
