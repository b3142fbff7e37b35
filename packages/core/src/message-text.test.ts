import { expect, test } from "vitest";
import { counted, listedNames, meantName, nearestNames } from "./message-text.ts";

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

test.each([
  { wanted: "shape", nearest: ["shapes"], because: "one letter is missing" },
  { wanted: "RESNET50", nearest: ["resnet50"], because: "case does not count" },
  { wanted: "resnet5O", nearest: ["resnet50"], because: "one letter is another" },
])("$wanted is nearest to $nearest: $because", ({ wanted, nearest }) => {
  expect(nearestNames(wanted, ["shapes", "resnet50", "vgg16"])).toEqual(nearest);
});

test("names that are too different are not near", () => {
  expect(nearestNames("vgg", ["shapes", "resnet50", "vgg16"], 2)).toEqual(["vgg16"]);
  expect(nearestNames("colour", ["shapes", "resnet50", "vgg16"], 2)).toEqual([]);
});

test("a name of a megabyte is compared quickly", () => {
  expect(nearestNames("x".repeat(1_000_000), ["shapes"])).toEqual(["shapes"]);
});

test("a name of hundreds of characters means none of the short ones", () => {
  expect(meantName("x".repeat(500), ["topK", "maxDetections"])).toBeUndefined();
  expect(meantName("maxDetection", ["topK", "maxDetections"])).toBe("maxDetections");
});
