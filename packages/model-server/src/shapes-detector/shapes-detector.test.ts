import { fileURLToPath } from "node:url";
import { seededRandom } from "@tensorgate/core";
import { families } from "@tensorgate/tf-serving";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { expect, test } from "vitest";
import { allAnchors, anchorBox, boxFrom, offsetsOf, overlap } from "./anchors.ts";
import { sceneSizePx } from "./network.ts";
import { drawScene } from "./scene.ts";
import { batchTargets } from "./targets.ts";

const model = fileURLToPath(new URL("../../models/shapes-detector/1/model.onnx", import.meta.url));

const unseen = (count: number) => {
  const random = seededRandom(31_337);
  return Array.from({ length: count }, () => drawScene(random, sceneSizePx));
};

test("its outputs have the shapes of SSD-VGG's, for a batch too", async () => {
  const session = await InferenceSession.create(model, { logSeverityLevel: 3 });
  const images = new Tensor("float32", new Float32Array(2 * 300 * 300 * 3), [2, 300, 300, 3]);

  const results = await session.run({ images });
  await session.release();

  for (const { name, shape } of families.get("ssd-vgg")?.outputs ?? []) {
    expect(results[name]?.dims).toEqual([2, ...shape.slice(1)]);
  }
});

test("scenes are the same for the same seed, with boxes as tight as the ink", () => {
  const [first] = unseen(1);
  const [again] = unseen(1);

  expect(again).toEqual(first);
  for (const { box } of first?.objects ?? []) {
    expect(box.top).toBeGreaterThan(0);
    expect(box.right).toBeLessThan(1);
    expect(box.bottom - box.top).toBeGreaterThan(0.1);
  }
});

test("every object of a batch has an anchor, whose offsets lead back to its box", () => {
  const scenes = unseen(8).map(({ objects }) => objects);

  const { isObject, offsets, classes, objectCount } = batchTargets(scenes);

  expect(isObject.reduce((sum, each) => sum + each, 0)).toBe(objectCount);
  scenes.forEach((objects, picture) => {
    for (const { box, classIndex } of objects) {
      const owned = allAnchors.some((anchor, which) => {
        const row = picture * allAnchors.length + which;
        if (isObject[row] !== 1 || classes[row * 17 + classIndex] !== 1) return false;
        return overlap(boxFrom(anchor, offsets.subarray(row * 4, row * 4 + 4)), box) > 0.999;
      });
      expect(owned).toBe(true);
    }
  });
});

test("an anchor's own box needs no offsets", () => {
  for (const anchor of allAnchors.slice(0, 50)) {
    for (const offset of offsetsOf(anchor, anchorBox(anchor))) expect(offset).toBeCloseTo(0, 6);
  }
});
