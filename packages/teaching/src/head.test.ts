import { createHash } from "node:crypto";
import { inflateSync } from "node:zlib";
import { expect, test } from "vitest";
import { compareBackbone, type Head, headLogits, headText, parseHead } from "./head.ts";
import { referencePicture } from "./reference-picture.ts";

const head: Head = {
  classes: ["cat", "dog"],
  featureCount: 3,
  weights: Float32Array.of(1, 0, 0.1, 0, 1, -0.1),
  bias: Float32Array.of(0, 0.5),
  backbone: { model: "m", version: "1", reference: Float32Array.of(3, 4, 0) },
};

test("a head is read as it was written", () => {
  expect(parseHead(headText(head))).toEqual(head);
});

test("features times weights plus bias", () => {
  expect([...headLogits(head, Float32Array.of(2, 3, 10))]).toEqual([3, 2.5]);
  expect(() => headLogits(head, new Float32Array(2))).toThrow("expected 3 features, got 2");
});

test.each([
  { text: "", says: /not JSON/ },
  { text: "[]", says: /kind/ },
  { text: "{}", says: /kind/ },
  { change: { kind: "tensorgate-head/2" }, says: /kind/ },
  { change: { classes: ["a"] }, says: /2 to 1000 names/ },
  { change: { classes: ["a", 1] }, says: /2 to 1000 names/ },
  { change: { featureCount: 1e9 }, says: /featureCount/ },
  { change: { weights: "!" }, says: /weights is not base64/ },
  { change: { weights: "AAAA" }, says: /weights is not base64/ },
  { change: { weights: "AAAAAA==" }, says: /weights has 1 numbers; expected 6/ },
  { change: { bias: "AADAfwAAwH8=" }, says: /bias has numbers that are not finite/ },
  { change: { backbone: undefined }, says: /no backbone/ },
])("a damaged head is refused: $says", ({ text, change, says }) => {
  const damaged = text ?? JSON.stringify({ ...JSON.parse(headText(head)), ...change });
  expect(() => parseHead(damaged)).toThrow(says);
});

test("the backbone is recognised by its features, small differences aside", () => {
  expect(compareBackbone(head.backbone, Float32Array.of(3.02, 3.97, 0.05)).isSame).toBe(true);
  expect(compareBackbone(head.backbone, Float32Array.of(0, 4, 3)).isSame).toBe(false);
  expect(compareBackbone(head.backbone, Float32Array.of(3, 4))).toEqual({
    distance: Infinity,
    isSame: false,
  });
});

test("the reference picture is a PNG that never changes", () => {
  const picture = referencePicture();
  // zlib checks the data's sum.
  expect(inflateSync(picture.subarray(41, picture.length - 16))).toHaveLength(64 * 193);
  expect(createHash("sha256").update(picture).digest("hex")).toMatchInlineSnapshot(
    `"ae5c1f5e007c7735267c53562547c94a80b2192d7d8ce4ec6f5ed883f173823c"`,
  );
});
