import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { families } from "@tensorgate/tf-serving";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { afterAll, expect, test } from "vitest";
import { familyGraph } from "./family-graph.ts";
import { type GenerationProgress, seededFamily } from "./seeded-family.ts";
import { createSeededStream } from "./seeded-stream.ts";
import { createWeightCounter } from "./weight-file.ts";

const cacheFolder = mkdtempSync(join(tmpdir(), "tensorgate-zoo-"));
afterAll(() => rmSync(cacheFolder, { recursive: true }));

test.each([
  { family: "resnet-50", millions: 25.61 },
  { family: "resnet-152", millions: 60.34 },
  { family: "densenet-121", millions: 8.06 },
  { family: "vgg-16", millions: 138.36 },
  { family: "ssd-vgg", millions: 26.3 },
] as const)("$family has $millions million parameters", ({ family, millions }) => {
  const counter = createWeightCounter();

  const graph = familyGraph(family, counter);

  expect(counter.valueCount / 1e6).toBeCloseTo(millions, 1);
  expect(graph.byteLength).toBeLessThan(1_000_000);
});

test("a tensor's values depend on its name and the seed alone", () => {
  const first = new Float32Array(1_000);
  const again = new Float32Array(1_000);
  const other = new Float32Array(1_000);

  createSeededStream("a", 1).fill(first, 2);
  const inPieces = createSeededStream("a", 1);
  inPieces.fill(again.subarray(0, 300), 2);
  inPieces.fill(again.subarray(300), 2);
  createSeededStream("a", 2).fill(other, 2);

  expect(again).toEqual(first);
  expect(other).not.toEqual(first);
  expect(Math.max(...first)).toBeLessThan(2);
  expect(Math.min(...first)).toBeGreaterThanOrEqual(-2);
  expect(Math.abs(first.reduce((sum, value) => sum + value, 0) / 1_000)).toBeLessThan(0.1);
});

test("a family is made once, whole, and gives outputs of the shapes that are known of it", async () => {
  const progress: GenerationProgress[] = [];
  const options = { cacheFolder, onProgress: (each: GenerationProgress) => progress.push(each) };

  const made = seededFamily("densenet-121", options);
  const again = seededFamily("densenet-121", options);

  expect(progress.map(({ state }) => state)).toEqual(["begun", "done"]);
  expect(again.modelFile).toBe(made.modelFile);
  expect(made.readManifest()).toMatchObject({ weights: "seeded", family: "densenet-121" });
  const base = join(made.modelFile, "../..");
  expect(readdirSync(base)).toEqual(["1"]);
  expect(statSync(join(base, "1", "weights.bin")).size).toBeGreaterThan(32_000_000);
  const session = await InferenceSession.create(made.modelFile, { logSeverityLevel: 3 });
  const pixels = new Float32Array(2 * 224 * 224 * 3).map((_, index) => Math.sin(index / 50));
  const results = await session.run({ images: new Tensor("float32", pixels, [2, 224, 224, 3]) });
  await session.release();
  for (const { name, shape } of families.get("densenet-121")?.outputs ?? []) {
    expect(results[name]?.dims).toEqual(shape.map((extent) => (extent === -1 ? 2 : extent)));
    const values = results[name]?.data as Float32Array | undefined;
    expect(values?.some(Number.isNaN)).toBe(false);
  }
});

test("a folder that cannot be written is reported, with what to do", () => {
  const options = { cacheFolder: "/dev/null/nowhere", onProgress: () => {} };

  expect(() => seededFamily("resnet-50", options)).toThrow(
    /cannot generate resnet-50.*set TENSORGATE_CACHE/,
  );
});
