import { fileURLToPath } from "node:url";
import { seededRandom } from "@tensorgate/core";
import { expect, test } from "vitest";
import { foundIn, quality } from "../../packages/model-server/src/shapes-detector/evaluate.ts";
import { sceneSizePx } from "../../packages/model-server/src/shapes-detector/network.ts";
import { drawScene } from "../../packages/model-server/src/shapes-detector/scene.ts";

const model = fileURLToPath(
  new URL("../../packages/model-server/models/shapes-detector/1/model.onnx", import.meta.url),
);

/** Neither training nor its own held-out scenes have seen this seed. */
const unseen = (count: number) => {
  const random = seededRandom(31_337);
  return Array.from({ length: count }, () => drawScene(random, sceneSizePx));
};

test("the trained detector finds what is in scenes it never saw", async () => {
  const scenes = unseen(60);

  const { meanAveragePrecision, precision, recall } = quality(
    scenes,
    await foundIn(model, scenes, 0.05),
  );

  expect(meanAveragePrecision).toBeGreaterThan(0.96);
  expect(precision).toBeGreaterThan(0.88);
  expect(recall).toBeGreaterThan(0.95);
});
