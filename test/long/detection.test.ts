import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { type GatewayOptions, parseConfig } from "@tensorgate/gateway";
import { findModels, type ModelServer, startModelServer } from "@tensorgate/model-server";
import { ScoringService } from "@tensorgate/proto/tensorgate/v1/scoring";
import sharp from "sharp";
import { afterAll, beforeAll, expect, test } from "vitest";
import { modelOptionsFromFolder } from "../../packages/cli/src/demo/model-options.ts";
import { addModelFile } from "../../packages/model-server/src/testing.ts";
import {
  numberedRowsModel,
  objectDetectionModel,
  torchvisionModel,
  yoloModel,
} from "../support/detector-models.ts";
import { runInProcess } from "../support/in-process-command.ts";
import { openGateway, type RunningGateway } from "../support/running-gateway.ts";

/** What is red in the picture, in pixels. */
const red = { x: 80, y: 40, width: 120, height: 90 };

// Made before a decoder is loaded, which blocks every loader but those for pictures of callers.
const scene = sharp({ create: { width: 320, height: 200, channels: 3, background: "#004000" } });
const patch = await sharp({
  create: { width: red.width, height: red.height, channels: 3, background: "#ff0000" },
})
  .png()
  .toBuffer();
const upright = await scene
  .composite([{ input: patch, left: red.x, top: red.y }])
  .png()
  .toBuffer();
const sideways = await sharp(upright).rotate(270).png().toBuffer();
const turned = await sharp(sideways).withMetadata({ orientation: 6 }).png().toBuffer();
const nothing = await sharp({
  create: { width: 320, height: 200, channels: 3, background: "#004000" },
})
  .png()
  .toBuffer();

const models = [
  { name: "yolo-v8", bytes: yoloModel("v8"), preset: "yolo", index: 2, label: "car", score: 0.9 },
  {
    name: "yolo-v8-half",
    bytes: yoloModel("v8", { type: "float16", classCount: 3, size: 416 }),
    preset: "yolo",
    index: 2,
    label: "2",
    score: 0.9,
  },
  {
    name: "yolo-v5",
    bytes: yoloModel("v5", { size: 320 }),
    preset: "yolov5",
    index: 2,
    label: "car",
    score: 0.9,
  },
  {
    name: "torchvision",
    bytes: torchvisionModel(),
    preset: "torchvision",
    index: 17,
    label: "17",
    score: 0.75,
  },
  {
    name: "object-detection",
    bytes: objectDetectionModel(),
    preset: "tf-object-detection",
    index: 18,
    label: "18",
    score: 0.6,
  },
  {
    name: "yolo-v8-of-tensorflow",
    bytes: yoloModel("v8", { isTensorFlow: true, size: 320 }),
    preset: "yolo",
    index: 2,
    label: "car",
    score: 0.9,
  },
] as const;

/** Forms that are recognized by shapes, or by names that a converter has changed. */
const furtherModels = [
  {
    name: "rt-detr",
    bytes: yoloModel("rt-detr", { size: 320 }),
    preset: "rt-detr",
    index: 2,
    label: "car",
    score: 0.9,
  },
  {
    name: "yolo-v7-with-nms",
    bytes: numberedRowsModel(),
    preset: "yolo-end-to-end",
    index: 2,
    label: "2",
    score: 0.7,
  },
  {
    name: "torchvision-without-names",
    bytes: torchvisionModel(["3161", "3164", "3163"]),
    preset: "torchvision",
    index: 17,
    label: "17",
    score: 0.75,
  },
  {
    name: "object-detection-converted",
    bytes: objectDetectionModel(":0"),
    preset: "tf-object-detection",
    index: 18,
    label: "18",
    score: 0.6,
  },
] as const;

const folder = mkdtempSync(join(tmpdir(), "tensorgate-detection-"));
let server: ModelServer;
beforeAll(async () => {
  const all = [...models, ...furtherModels];
  for (const { name, bytes } of all) addModelFile(join(folder, "plain"), name, bytes);
  server = await startModelServer({ port: 0, models: { directory: join(folder, "plain") } });
});
afterAll(async () => {
  await server.close(0);
  rmSync(folder, { recursive: true });
});

/** The configuration that `attach` writes for a model which the server has by name alone. */
async function attached(name: string): Promise<{ text: string; config: GatewayOptions }> {
  const file = join(folder, `${name}.yaml`);
  const address = `127.0.0.1:${server.port}`;
  const { code, stderr } = await runInProcess([
    ...["attach", address, "--model", name, "-o", file, "--force"],
  ]);
  expect([code, stderr]).toEqual([0, expect.stringContaining("the test picture gives 1 box")]);
  const text = readFileSync(file, "utf8");
  return { text, config: parseConfig(text, file) };
}

interface SeenBox {
  readonly index: number;
  readonly label: string;
  readonly score: number;
  readonly box: typeof red;
}

async function detectByRest(url: string, model: string, picture: Uint8Array): Promise<SeenBox[]> {
  const response = await fetch(`${url}/v1/detect/${model}`, {
    method: "POST",
    body: new Uint8Array(picture),
  });
  const { results, detail } = (await response.json()) as {
    results?: { boxes: SeenBox[] }[];
    detail?: string;
  };
  if (!results) throw new Error(detail);
  return results[0]?.boxes ?? [];
}

async function detectByGrpc(url: string, name: string, picture: Uint8Array): Promise<SeenBox[]> {
  const client = createClient(ScoringService, createGrpcTransport({ baseUrl: url }));
  const { results } = await client.detect({
    modelSpec: { name },
    pictures: [{ source: { case: "data", value: new Uint8Array(picture) } }],
  });
  const outcome = results[0]?.outcome;
  const boxes = outcome?.case === "boxes" ? outcome.value.boxes : [];
  return boxes.map(({ index, label, score, box }) => ({
    index,
    label,
    score,
    box: { x: box?.x ?? 0, y: box?.y ?? 0, width: box?.width ?? 0, height: box?.height ?? 0 },
  }));
}

function expectRed(boxes: readonly SeenBox[], expected: Omit<SeenBox, "box">): void {
  expect(boxes).toHaveLength(1);
  const [found] = boxes;
  expect([found?.index, found?.label]).toEqual([expected.index, expected.label]);
  expect(found?.score).toBeCloseTo(expected.score, 3);
  // Where the picture was resized, edges are blurred by a pixel of the input.
  for (const side of ["x", "y", "width", "height"] as const) {
    expect(Math.abs((found?.box[side] ?? Number.NaN) - red[side])).toBeLessThan(1.1);
  }
}

async function expectDetections(
  { url }: RunningGateway,
  { name, index, label, score }: (typeof models | typeof furtherModels)[number],
): Promise<void> {
  const expected = { index, label, score };
  expectRed(await detectByRest(url, name, upright), expected);
  expectRed(await detectByRest(url, name, turned), expected);
  expectRed(await detectByGrpc(url, name, upright), expected);
  expect(await detectByRest(url, name, nothing)).toEqual([]);
}

test.each([...models, ...furtherModels])(
  "attach alone makes $name find what is red",
  async (model) => {
    const { text, config } = await attached(model.name);

    expect(text).toContain(`preset: ${model.preset}`);
    expect(text).toContain("# check: ");
    await using running = await openGateway({ ...config, listen: { port: 0 } });
    await running.gateway.ready();
    await expectDetections(running, model);
  },
);

test.each(models)("models add alone makes $name find what is red", async (model) => {
  const { name, bytes } = model;
  const directory = join(folder, "added", name);
  const file = join(folder, `${name}.onnx`);
  writeFileSync(file, bytes);
  const { code, stdout, stderr } = await runInProcess([
    ...["models", "add", name, "--weights", file, "--models", directory],
  ]);
  expect([code, stderr]).toEqual([0, ""]);
  expect(stdout).toContain(`boxes are read by preset ${model.preset}`);
  const added = await startModelServer({ port: 0, models: { directory } });
  const region = "westeurope";
  const replicas = [`127.0.0.1:${added.port}`];
  try {
    await using running = await openGateway({
      models: findModels({ directory }).map(modelOptionsFromFolder),
      pools: [{ model: name, region, replicas }],
    });
    await running.gateway.ready();
    await expectDetections(running, model);
  } finally {
    await added.close(0);
  }
});

test("a preset that does not fit is answered with the outputs that there are", async () => {
  const { config } = await attached("yolo-v8");
  const [model] = config.models ?? [];
  if (!model) throw new RangeError("there is no model");
  await using running = await openGateway({
    ...config,
    listen: { port: 0 },
    models: [{ ...model, detector: { preset: "torchvision" } }],
  });
  await running.gateway.ready();

  await expect(detectByRest(running.url, "yolo-v8", upright)).rejects.toThrow("output0");
});
