import { expect, test } from "vitest";
import { counted } from "./counted.ts";

test.each([
  { count: 0, text: "0 boxes" },
  { count: 1, text: "1 box" },
  { count: 2, text: "2 boxes" },
])("$count makes $text", ({ count, text }) => {
  expect(counted(count, "box", "boxes")).toBe(text);
});

test("the plural ends in s unless another one is given", () => {
  expect([counted(1, "model"), counted(3, "model")]).toEqual(["1 model", "3 models"]);
});
