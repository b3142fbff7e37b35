import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { float32Values } from "@tensorgate/core";
import { preprocessPicture } from "@tensorgate/imaging";
import { decodePicture } from "@tensorgate/imaging/decode";
import { bundledModelsDirectory, findModels } from "@tensorgate/model-server";
import { expect, test } from "vitest";
import { accuracyOf } from "../../packages/model-server/src/shapes/accuracy.ts";
import { trainingSizePx } from "../../packages/model-server/src/shapes/draw-picture.ts";
import { servingSizePx } from "../../packages/model-server/src/shapes/serving-graph.ts";
import {
  drawShapeData,
  heldOutSeed,
  pictureBytes,
} from "../../packages/model-server/src/shapes/shape-data.ts";

const [folder] = findModels({ directory: bundledModelsDirectory });
const model = new Uint8Array(readFileSync(folder?.modelFile ?? ""));
const preprocessing =
  folder?.manifest?.signatures["serving_default"]?.inputs["images"]?.picture?.preprocessing;

const limits = { maxPixels: 25_000_000 };

/** Each pixel becomes a square of 4 × 4, which the model's pooling makes one again. */
function enlarged(picture: Uint8Array): Float32Array {
  const factor = servingSizePx / trainingSizePx;
  const result = new Float32Array(servingSizePx * servingSizePx * 3);
  for (let at = 0; at < result.length; at += 1) {
    const channel = at % 3;
    const x = Math.floor(((at - channel) / 3) % servingSizePx);
    const y = Math.floor((at - channel) / 3 / servingSizePx);
    const from = Math.floor(y / factor) * trainingSizePx + Math.floor(x / factor);
    result[at] = picture[from * 3 + channel] ?? 0;
  }
  return result;
}

test("the served model knows 97 % of held-out drawings", async () => {
  const { pictures, classes } = drawShapeData(240, heldOutSeed);
  const singles = Array.from(classes, (truth, index) => ({
    pictures: enlarged(pictures.subarray(index * pictureBytes, (index + 1) * pictureBytes)),
    classes: Uint8Array.of(truth),
  }));

  const accuracy = await accuracyOf(model, servingSizePx, singles);

  console.info(`held-out drawings: ${(accuracy * 100).toFixed(1)} %`);
  expect(accuracy).toBeGreaterThanOrEqual(0.97);
}, 60_000);

test("the served model knows 97 % of pictures drawn another way", async () => {
  const script = fileURLToPath(new URL("../support/independent-drawings.ts", import.meta.url));
  const output = execFileSync(process.execPath, ["--conditions=@tensorgate/source", script, "8"], {
    maxBuffer: 256 * 1_048_576,
  });
  if (!preprocessing) throw new Error("the manifest has no preprocessing");
  const singles: { pictures: Float32Array; classes: Uint8Array }[] = [];
  for (let at = 0; at < output.length; ) {
    const length = output.readUInt32BE(at + 1);
    const jpeg = output.subarray(at + 5, at + 5 + length);
    const tensor = preprocessPicture(await decodePicture(jpeg, limits), preprocessing);
    singles.push({ pictures: float32Values(tensor), classes: output.subarray(at, at + 1) });
    at += 5 + length;
  }

  const accuracy = await accuracyOf(model, servingSizePx, singles);

  console.info(`${singles.length} pictures drawn another way: ${(accuracy * 100).toFixed(1)} %`);
  expect(singles).toHaveLength(128);
  expect(accuracy).toBeGreaterThanOrEqual(0.97);
}, 60_000);

test("the same seed draws the same pictures on every machine", () => {
  const { pictures } = drawShapeData(32, 1);

  expect(createHash("sha256").update(pictures).digest("hex").slice(0, 16)).toBe("908872e02a0230b1");
});

test("the trained file is small enough to be kept with the sources", () => {
  expect(model.byteLength).toBeLessThanOrEqual(300_000);
});
