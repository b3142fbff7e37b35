import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type GatewayOptions, type ModelOptions, parseConfig } from "@tensorgate/gateway";
import { bundledModelsDirectory, findModels, startModelServer } from "@tensorgate/model-server";
import { detectorPresetNames } from "@tensorgate/tf-serving";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { modelOptionsFromFolder } from "../../packages/cli/src/demo/model-options.ts";
import { addModelFile } from "../../packages/model-server/src/testing.ts";
import { detectorForms } from "../support/detector-forms.ts";
import { runInProcess } from "../support/in-process-command.ts";
import { startInferenceServer } from "../support/inference-servers.ts";
import { hasPeers } from "../support/peers.ts";
import { samplePicture } from "../support/pictures.ts";
import { openGateway } from "../support/running-gateway.ts";

// Detectors of every kind behind a real Triton: their boxes are right, and the very ones that the embedded model server gives.

const setUpMs = 900_000;
const tritonModel = fileURLToPath(new URL("triton_model.py", import.meta.url));

/** What is red in the picture, in pixels. */
const red = { x: 80, y: 40, width: 120, height: 90 };
const ground = { width: 320, height: 200, channels: 3, background: "#004000" } as const;
const patch = await sharp({
  create: { width: red.width, height: red.height, channels: 3, background: "#ff0000" },
})
  .png()
  .toBuffer();
const seen = await sharp({ create: ground })
  .composite([{ input: patch, left: red.x, top: red.y }])
  .png()
  .toBuffer();
const nothing = await sharp({ create: ground }).png().toBuffer();

/** The trained detector of the model server, by its pixels: the twelve outputs of an SSD-VGG. */
const ssd = "shapes-detector";

const folder = mkdtempSync(join(tmpdir(), "tensorgate-triton-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Puts a model where the embedded server finds it, and Triton. */
function addModel(name: string, bytes: Uint8Array): void {
  addModelFile(join(folder, "embedded"), name, bytes);
  const place = join(folder, "triton", name);
  mkdirSync(join(place, "1"), { recursive: true });
  writeFileSync(join(place, "config.pbtxt"), `name: "${name}"\nbackend: "python"\n`);
  writeFileSync(join(place, "1", "model.onnx"), bytes);
  copyFileSync(tritonModel, join(place, "1", "model.py"));
}

interface SeenBox {
  readonly index: number;
  readonly label: string;
  readonly score: number;
  readonly box: typeof red;
}

/** The boxes of each picture. */
async function detected(
  config: GatewayOptions,
  model: string,
  pictures: readonly Uint8Array[],
): Promise<readonly (readonly SeenBox[])[]> {
  await using running = await openGateway({ ...config, listen: { port: 0 } });
  await running.gateway.ready();
  const found: (readonly SeenBox[])[] = [];
  for (const picture of pictures) {
    const response = await fetch(`${running.url}/v1/detect/${model}`, {
      method: "POST",
      body: new Uint8Array(picture),
    });
    expect(response.status, await response.clone().text()).toBe(200);
    const { results } = (await response.json()) as { results: readonly { boxes: SeenBox[] }[] };
    found.push(results[0]?.boxes ?? []);
  }
  return found;
}

test("there is a detector of every preset", () => {
  expect(new Set(detectorForms.map(({ preset }) => preset))).toEqual(new Set(detectorPresetNames));
});

test.skipIf(hasPeers)("Triton is skipped: the folder of peers is not here", () => {});

describe.runIf(hasPeers)("behind Triton", () => {
  const stack = new AsyncDisposableStack();
  let missing: string | undefined;
  const addresses = { embedded: "", triton: "" };
  beforeAll(async () => {
    for (const { name, bytes } of detectorForms) addModel(name, bytes());
    addModel(ssd, readFileSync(join(bundledModelsDirectory, ssd, "1", "model.onnx")));
    const started = await startInferenceServer("triton", stack, [], {
      TRITON_MODELS: join(folder, "triton"),
    });
    if ("because" in started) {
      missing = started.because;
      return;
    }
    const directory = join(folder, "embedded");
    const server = await startModelServer({ port: 0, models: { directory } });
    stack.defer(() => server.close(0));
    addresses.triton = `127.0.0.1:${started.grpcPort}`;
    addresses.embedded = `127.0.0.1:${server.port}`;
  }, setUpMs);
  afterAll(() => stack.disposeAsync());

  /** The configuration that `attach` writes. */
  async function attached(server: keyof typeof addresses, model: string): Promise<GatewayOptions> {
    const file = join(folder, `${server}-${model}.yaml`);
    const { code, stderr } = await runInProcess([
      ...["attach", addresses[server], "--model", model, "-o", file, "--force"],
    ]);
    expect([code, stderr]).toEqual([0, expect.stringContaining("the test picture gives 1 box")]);
    return parseConfig(readFileSync(file, "utf8"), file);
  }

  test.for(detectorForms)("$name", async ({ name, preset, index, score }, context) => {
    if (missing) return context.skip(missing);
    const here = await attached("embedded", name);
    const there = await attached("triton", name);

    const [boxes = [], none] = await detected(there, name, [seen, nothing]);

    expect(there.models?.[0]?.detector).toMatchObject({ preset });
    expect(there.pools?.[0]).toMatchObject({ dialect: "open-inference" });
    expect([boxes]).toEqual(await detected(here, name, [seen]));
    expect(boxes).toMatchObject([{ index, score: expect.closeTo(score, 3) }]);
    // Where the picture was resized, edges are blurred by a pixel of the input.
    for (const side of ["x", "y", "width", "height"] as const) {
      expect(Math.abs((boxes[0]?.box[side] ?? Number.NaN) - red[side])).toBeLessThan(1.1);
    }
    expect(none).toEqual([]);
  });

  test("an SSD with twelve outputs", async (context) => {
    if (missing) return context.skip(missing);
    const described = findModels({ directory: bundledModelsDirectory }).map(modelOptionsFromFolder);
    const found = described.find(({ name }) => name === ssd) as ModelOptions;
    const size = { heightPx: 300, widthPx: 300, coordinates: "tensorflow-1" } as const;
    const model: ModelOptions = { ...found, input: { tensor: "images", kind: "pixels", ...size } };
    const of = (address: string, dialect: "open-inference" | "tensorflow-serving") => ({
      models: [model],
      pools: [{ model: ssd, region: "westeurope", dialect, replicas: [address] }],
    });
    const scenes = [samplePicture("scene-1")];

    const [boxes = []] = await detected(of(addresses.triton, "open-inference"), ssd, scenes);

    const here = of(addresses.embedded, "tensorflow-serving");
    expect([boxes]).toEqual(await detected(here, ssd, scenes));
    expect(boxes.map(({ label }) => label).toSorted()).toEqual([
      ...["circle", "hexagon", "plus", "triangle"],
    ]);
  });
});
