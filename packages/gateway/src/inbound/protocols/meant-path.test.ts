import { expect, test } from "vitest";
import { meantPath } from "./meant-path.ts";

const patterns = ["/v1/classify/{model}", "/v1/detect/{model}", "/v1/catalog", "/readyz", "/docs"];

test.each([
  ["/v1/clasify/resnet50", "/v1/classify/resnet50"],
  ["/v1/Detect/ssd", "/v1/detect/ssd"],
  ["/v1/catalogue", "/v1/catalog"],
  ["/ready", "/readyz"],
  ["/v2/classify/m", "/v1/classify/m"],
  // A model's name is the caller's: it is not what was misspelt.
  ["/v1/embedded/classify", undefined],
  ["/favicon-of-a-page.ico", undefined],
  [`/v1/clasify/${"a".repeat(200)}`, undefined],
])("%s means %s", (path, meant) => {
  expect(meantPath(path, patterns)).toBe(meant);
});
