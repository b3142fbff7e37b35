import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { float32Values } from "@tensorgate/core";
import { preprocessPicture } from "@tensorgate/imaging";
import { decodePicture } from "@tensorgate/imaging/decode";
import { classifierPreprocessing, ssdPreprocessing } from "@tensorgate/tf-serving";
import { expect, test } from "vitest";

interface GoldenCase {
  readonly image: string;
  readonly pipeline: "classifier" | "ssd";
  readonly shape: readonly number[];
  readonly mean: readonly number[];
  readonly samples: readonly (readonly [index: number, value: number])[];
}

const shared = (path: string) => fileURLToPath(new URL(`../../../shared/${path}`, import.meta.url));
const goldenFile =
  process.env["TENSORGATE_PREPROCESS_GOLDEN"] ?? shared("conformance/preprocess/golden.json");
const pictures = process.env["TENSORGATE_IMAGES"] ?? shared("data/images");
const isHere = existsSync(goldenFile) && existsSync(pictures);
const cases: readonly GoldenCase[] = isHere ? JSON.parse(readFileSync(goldenFile, "utf8")) : [];

const pipelines = { classifier: classifierPreprocessing, ssd: ssdPreprocessing };
const limits = { maxPixels: 25_000_000 };

async function differences({ image, pipeline, shape, samples }: GoldenCase) {
  const decoded = await decodePicture(readFileSync(`${pictures}/${image}`), limits);
  const tensor = preprocessPicture(decoded, pipelines[pipeline]);
  expect(tensor.shape.slice(1)).toEqual(shape);
  const values = float32Values(tensor);
  return samples.map(([index, value]) => Math.abs((values[index] ?? Number.NaN) - value));
}

const meanOf = (values: readonly number[]) =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

test.skipIf(isHere)(
  "TensorFlow's samples are skipped: the conformance folder is not here",
  () => {},
);

test.runIf(isHere)(
  "samples of all pictures are within 1.5 of TensorFlow's on average",
  async () => {
    const all = await Promise.all(cases.map(differences));

    expect(cases.length).toBeGreaterThan(0);
    expect(meanOf(all.flat())).toBeLessThanOrEqual(1.5);
  },
);

test.each(cases)("$image by $pipeline is within 3.5 of TensorFlow's", async (golden) => {
  expect(meanOf(await differences(golden))).toBeLessThanOrEqual(3.5);
});
