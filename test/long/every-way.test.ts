import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ScoringClient } from "@tensorgate/client";
import type { ModelOptions } from "@tensorgate/gateway";
import { bundledModelsDirectory, findModels, startModelServer } from "@tensorgate/model-server";
import { ScoringClient as WebClient } from "@tensorgate/web-client";
import sharp from "sharp";
import { afterAll, beforeAll, expect, test } from "vitest";
import { modelOptionsFromFolder } from "../../packages/cli/src/demo/model-options.ts";
import { addModelFile } from "../../packages/model-server/src/testing.ts";
import { avifFile, codedItem, irot } from "../corpus/avif-files.ts";
import { objectDetectionModel } from "../support/detector-models.ts";
import { samplePicture } from "../support/pictures.ts";
import { openGateway, type RunningGateway } from "../support/running-gateway.ts";

// The same picture has the same labels and boxes, whoever asks in whatever protocol.

const folder = mkdtempSync(join(tmpdir(), "tensorgate-ways-"));
let running: RunningGateway;
let clients: readonly (ScoringClient | WebClient)[];
let close: () => Promise<void>;

beforeAll(async () => {
  const described = findModels({ directory: bundledModelsDirectory }).map(modelOptionsFromFolder);
  const models: ModelOptions[] = [];
  for (const { input: _, ...model } of described) {
    const side = model.name === "shapes" ? 224 : 300;
    const weights = join(bundledModelsDirectory, model.name, "1");
    cpSync(weights, join(folder, model.name, "1"), { recursive: true });
    mkdirSync(join(folder, `${model.name}-of-pixels`, "1"), { recursive: true });
    cpSync(join(weights, "model.onnx"), join(folder, `${model.name}-of-pixels`, "1", "model.onnx"));
    const size = { heightPx: side, widthPx: side };
    models.push(
      { ...model, input: { tensor: "images" } },
      {
        ...model,
        name: `${model.name}-of-pixels`,
        input: { tensor: "images", kind: "pixels", ...size, coordinates: "tensorflow-1" },
      },
    );
  }
  addModelFile(folder, "red", objectDetectionModel());
  models.push({
    name: "red",
    input: { tensor: "input_tensor", kind: "pixels" },
    detector: { preset: "tf-object-detection" },
  });
  const server = await startModelServer({ port: 0, models: { directory: folder } });
  const replicas = [`127.0.0.1:${server.port}`];
  const pools = models.map(({ name }) => ({ model: name, region: "westeurope", replicas }));
  running = await openGateway({ models, pools });
  await running.gateway.ready();
  const baseUrl = running.url;
  const nodeClients = (["connect", "grpc"] as const).map(
    (transport) => new ScoringClient({ baseUrl, transport }),
  );
  clients = [...nodeClients, new WebClient({ baseUrl })];
  close = async () => {
    for (const client of nodeClients) client.close();
    await running[Symbol.asyncDispose]();
    await server.close(0);
    rmSync(folder, { recursive: true });
  };
}, 30_000);
afterAll(() => close());

const star = sharp(samplePicture("star"));
const patch = { create: { width: 120, height: 90, channels: 3, background: "#ff0000" } } as const;
const scenes = {
  star,
  boxes: sharp(samplePicture("scene-2")).resize(480, 360, { fit: "fill" }),
  red: sharp({ create: { width: 320, height: 200, channels: 3, background: "#004000" } }).composite(
    [{ input: await sharp(patch).png().toBuffer(), left: 80, top: 40 }],
  ),
};
type Scene = keyof typeof scenes;

/** Files of one scene: as every decoder reads them, and as few do. */
const files: readonly {
  readonly file: string;
  /** Whether TensorFlow's own decoder shows the file as people see it. */
  readonly isUpright: boolean;
  readonly write: (scene: Scene) => Promise<Buffer>;
}[] = [
  { file: "JPEG", isUpright: true, write: (scene) => scenes[scene].clone().jpeg().toBuffer() },
  { file: "GIF", isUpright: true, write: (scene) => scenes[scene].clone().gif().toBuffer() },
  {
    file: "PNG of 16 bits with alpha",
    isUpright: true,
    write: (scene) =>
      scenes[scene].clone().ensureAlpha(0.5).toColourspace("rgb16").png().toBuffer(),
  },
  {
    file: "JPEG that is stored turned",
    isUpright: false,
    write: async (scene) =>
      await sharp(await scenes[scene].clone().png().toBuffer())
        .rotate(270)
        .withMetadata({ orientation: 6 })
        .jpeg()
        .toBuffer(),
  },
  {
    file: "AVIF that is stored turned",
    isUpright: true,
    write: async (scene) => {
      const png = await scenes[scene].clone().png().toBuffer();
      const coded = codedItem(
        await sharp(png).removeAlpha().rotate(270).avif({ effort: 0 }).toBuffer(),
      );
      const items = [{ ...coded, transformations: [irot(3)] }];
      return avifFile({ items, primaryIndex: 0, hasWideNumbers: false, boxes: [] });
    },
  },
];

async function postJson<Answer>(path: string, body: BodyInit, type: string): Promise<Answer> {
  const headers = { "content-type": type };
  const response = await fetch(`${running.url}${path}`, { method: "POST", headers, body });
  expect(response.status, await response.clone().text()).toBe(200);
  return (await response.json()) as Answer;
}

interface Results<Result> {
  readonly results: readonly Result[];
}

/** What REST answers to the picture as it is, in a form and in JSON. */
async function byRest<Result>(path: string, picture: Buffer): Promise<readonly Result[]> {
  const bytes = new Uint8Array(picture);
  const form = new FormData();
  form.set("image", new Blob([bytes]), "x");
  const response = await fetch(`${running.url}${path}`, { method: "POST", body: form });
  const json = JSON.stringify({ image: { b64: picture.toString("base64") } });
  const answers = [
    await postJson<Results<Result>>(path, bytes, "application/octet-stream"),
    (await response.json()) as Results<Result>,
    await postJson<Results<Result>>(path, json, "application/json"),
  ];
  return answers.flatMap(({ results }) => results);
}

/** What `:predict` answers to a picture in base64. */
async function byPredict<Outputs>(model: string, picture: Buffer): Promise<Outputs> {
  const body = JSON.stringify({ inputs: [{ b64: picture.toString("base64") }] });
  const path = `/v1/models/${model}:predict`;
  const { outputs } = await postJson<{ outputs: Outputs }>(path, body, "application/json");
  return outputs;
}

interface Labelled {
  readonly labels: readonly { readonly index: number; readonly score: number }[];
}

test.each(files)("$file: the same labels by every way", async ({ isUpright, write }) => {
  const picture = await write("star");
  for (const model of ["shapes", "shapes-of-pixels"]) {
    const [expected, ...others] = await byRest<Labelled>(`/v1/classify/${model}`, picture);

    expect(expected?.labels[0]).toMatchObject({ label: "star" });
    for (const { labels } of others) expect(labels).toEqual(expected?.labels);
    for (const client of clients) {
      const labels = await client.classify(model, new Uint8Array(picture));
      expect([...labels]).toEqual(expected?.labels);
    }
    // TensorFlow Serving's messages go to a model that decodes pictures as they came, whatever Exif says.
    if (model === "shapes" && !isUpright) continue;
    const outputs = await byPredict<{ scores: number[][] }>(model, picture);
    for (const { index, score } of expected?.labels ?? []) {
      expect(outputs.scores[0]?.[index]).toBeCloseTo(score, 6);
    }
  }
});

interface Detected {
  readonly boxes: readonly {
    readonly score: number;
    readonly normalized: Partial<Record<"x" | "y" | "width" | "height", number>>;
  }[];
  readonly image: object;
}

test.each(files)("$file: the same boxes by every way", async ({ write }) => {
  for (const [model, scene] of [
    ["shapes-detector", "boxes"],
    ["shapes-detector-of-pixels", "boxes"],
    ["red", "red"],
  ] as const) {
    const picture = await write(scene);
    const [expected, ...others] = await byRest<Detected>(`/v1/detect/${model}`, picture);

    expect(expected?.boxes.length).toBeGreaterThan(0);
    for (const { boxes, image } of others) expect({ boxes, image }).toEqual(expected);
    for (const client of clients) {
      const { boxes, image } = await client.detect(model, new Uint8Array(picture));
      expect({ boxes: [...boxes], image }).toEqual(expected);
    }
    if (model !== "red") continue;
    const outputs = await byPredict<Record<string, number[][][]>>(model, picture);
    const [top, left, bottom, right] = outputs["detection_boxes"]?.[0]?.[0] ?? [];
    const { x = 0, y = 0, width = 0, height = 0 } = expected?.boxes[0]?.normalized ?? {};
    expect(y).toBeCloseTo(top ?? Number.NaN, 5);
    expect(x).toBeCloseTo(left ?? Number.NaN, 5);
    expect(y + height).toBeCloseTo(bottom ?? Number.NaN, 5);
    expect(x + width).toBeCloseTo(right ?? Number.NaN, 5);
  }
});
