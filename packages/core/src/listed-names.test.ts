import { expect, test } from "vitest";
import { listedNames } from "./listed-names.ts";

test("names are listed as they come; none is said", () => {
  expect(listedNames(["a", "b"])).toBe("a, b");
  expect(listedNames([])).toBe("none");
});

test("of thousands of names the first twenty are listed, and long ones are cut", () => {
  const text = listedNames(Array<string>(40_000).fill("\u{1f600}".repeat(1_000)));

  expect(text.length).toBeLessThan(2_000);
  expect(text.endsWith(" and 39980 more")).toBe(true);
  expect(text.isWellFormed()).toBe(true);
});
