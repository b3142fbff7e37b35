import { expect, test } from "vitest";
import { nearestNames } from "./nearest-names.ts";

test.each([
  { wanted: "shape", nearest: ["shapes"], because: "one letter is missing" },
  { wanted: "RESNET50", nearest: ["resnet50"], because: "case does not count" },
  { wanted: "resnet5O", nearest: ["resnet50"], because: "one letter is another" },
])("$wanted is nearest to $nearest: $because", ({ wanted, nearest }) => {
  expect(nearestNames(wanted, ["shapes", "resnet50", "vgg16"])).toEqual(nearest);
});

test("a name of a megabyte is compared quickly", () => {
  expect(nearestNames("x".repeat(1_000_000), ["shapes"])).toEqual(["shapes"]);
});
