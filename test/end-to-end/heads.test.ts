import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Random, seededRandom } from "@tensorgate/core";
import type { ModelOptions } from "@tensorgate/gateway";
import { bundledModelsDirectory, startModelServer } from "@tensorgate/model-server";
import { openRegistry } from "@tensorgate/registry";
import { type Head, headText, mergedOnnx, referencePicture, teach } from "@tensorgate/teaching";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createHeadReader } from "../../packages/cli/src/heads/registry-heads.ts";
import {
  openGateway,
  type RunningGateway,
  shapesModel,
  startGateway,
} from "../support/running-gateway.ts";
import { drawnSymbol } from "../support/unseen-symbols.ts";

const classes = ["hash", "ring"];
let server: Awaited<ReturnType<typeof startModelServer>>;
let running: RunningGateway;
let head: Head;
let random: Random;

beforeAll(async () => {
  server = await startModelServer({ port: 0, models: { directory: bundledModelsDirectory } });
  running = await startGateway({ westeurope: [`127.0.0.1:${server.port}`] });
  random = seededRandom(1);
  head = await taught();
});
afterAll(async () => {
  await running[Symbol.asyncDispose]();
  await server.close(0);
});

async function features(picture: Uint8Array<ArrayBuffer>): Promise<Float32Array> {
  const response = await fetch(`${running.url}/v1/embed/shapes`, { method: "POST", body: picture });
  const { results } = (await response.json()) as { results: [{ features: number[] }] };
  return Float32Array.from(results[0].features);
}

async function taught(): Promise<Head> {
  const examples = [];
  for (const [classIndex, name] of classes.entries()) {
    for (let at = 0; at < 6; at += 1) {
      const picture = new Uint8Array(await drawnSymbol(name, random));
      examples.push({ id: `${name} ${at}`, classIndex, features: await features(picture) });
    }
  }
  const reference = await features(referencePicture());
  return {
    ...teach(examples, { classes }).head,
    backbone: { model: "shapes", version: "1", reference },
  };
}

/** The same head with classes exchanged, to see which version answers. */
const exchanged = (): Head => ({ ...head, classes: ["ring?", "hash?"] });

function headModel(more: Partial<NonNullable<ModelOptions["head"]>> = {}): ModelOptions {
  const versions = [
    { version: 1, document: headText(head) },
    { version: "7", document: headText(exchanged()) },
  ];
  return { name: "symbols", head: { of: "shapes", versions, ...more } };
}

const pools = () => [
  { model: "shapes", region: "westeurope", replicas: [`127.0.0.1:${server.port}`] },
];

async function withHead(model = headModel()): Promise<RunningGateway> {
  const gateway = await openGateway({ models: [shapesModel(), model], pools: pools() });
  await gateway.gateway.ready();
  return gateway;
}

interface Classified {
  readonly model: { readonly name: string; readonly version: string };
  readonly results: readonly [{ readonly labels: readonly { label: string; score: number }[] }];
}

async function classify(url: string, picture: Uint8Array, query = ""): Promise<Classified> {
  const body = new Uint8Array(picture);
  const response = await fetch(`${url}/v1/classify/symbols${query}`, { method: "POST", body });
  expect(response.status).toBe(200);
  return (await response.json()) as Classified;
}

test("a head classifies by the features of its backbone, and answers under its own name and version", async () => {
  await using gateway = await withHead(
    headModel({ versions: headModel().head?.versions.slice(0, 1) ?? [] }),
  );
  for (const name of classes) {
    const answer = await classify(gateway.url, await drawnSymbol(name, random));
    expect(answer.model).toEqual({ name: "symbols", version: "1" });
    expect(answer.results[0].labels[0]?.label).toBe(name);
  }
  const catalog = await (await fetch(`${gateway.url}/v1/catalog/symbols`)).json();
  expect(catalog).toMatchObject({
    tasks: ["classify", "predict"],
    versions: ["1"],
    regions: ["westeurope"],
    labels: classes,
    outputs: [{ name: "probabilities", holds: "probabilities", shape: [-1, 2] }],
  });
});

test("versions and aliases of a head are chosen by the call; unknown ones are refused with those there are", async () => {
  await using gateway = await withHead(headModel({ aliases: { stable: 1 } }));
  const picture = await drawnSymbol("ring", random);
  const versionOf = async (query: string) =>
    (await classify(gateway.url, picture, query)).model.version;
  expect(await versionOf("")).toBe("7");
  expect(await versionOf("?version=1")).toBe("1");
  expect(await versionOf("?versionLabel=stable")).toBe("1");
  const refused = await fetch(`${gateway.url}/v1/classify/symbols?version=3`, {
    method: "POST",
    body: new Uint8Array(picture),
  });
  expect(refused.status).toBe(404);
  expect(await refused.json()).toMatchObject({
    reason: "unknown-version",
    hint: "its versions: 7, 1",
  });
});

test("TensorFlow Serving's and the Open Inference Protocol's REST APIs answer for a head too", async () => {
  await using gateway = await withHead();
  const b64 = (await drawnSymbol("hash", random)).toString("base64");
  const json = (path: string, body: unknown) =>
    fetch(`${gateway.url}${path}`, { method: "POST", body: JSON.stringify(body) });

  const predicted = await json("/v1/models/symbols/versions/1:predict", { instances: [{ b64 }] });
  const { predictions } = (await predicted.json()) as { predictions: number[][] };
  expect(predictions[0]?.[0]).toBeGreaterThan(0.8);

  const inferred = await fetch(`${gateway.url}/v2/models/symbols/versions/1/infer`, {
    method: "POST",
    headers: { "inference-header-content-length": "0" },
    body: Buffer.from(b64, "base64"),
  });
  expect(await inferred.text()).toContain("probabilities");

  const status = await (await fetch(`${gateway.url}/v1/models/symbols`)).json();
  expect(status).toMatchObject({
    model_version_status: [{ version: "7", state: "AVAILABLE" }, {}],
  });
  const metadata = await (await fetch(`${gateway.url}/v1/models/symbols/metadata`)).text();
  expect(metadata).toContain("probabilities");
});

test("a head that was taught on another model is refused, and says how far that is", async () => {
  const reference = head.backbone.reference.map((each, at) => each + (at % 2));
  const document = headText({ ...head, backbone: { ...head.backbone, model: "other", reference } });
  await using gateway = await withHead(headModel({ versions: [{ version: 1, document }] }));
  const body = new Uint8Array(await drawnSymbol("ring", random));
  const response = await fetch(`${gateway.url}/v1/classify/symbols`, { method: "POST", body });
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({
    reason: "failed-precondition",
    detail: expect.stringMatching(/taught on "other" version 1, but "shapes" version 1 is another/),
  });
});

test("a head comes and goes by a reload, without a call that fails", async () => {
  await using gateway = await startGateway({ westeurope: [`127.0.0.1:${server.port}`] });
  const options = { listen: { port: 0 }, region: "westeurope", pools: pools() };
  gateway.gateway.reload({ ...options, models: [shapesModel(), headModel()] });
  expect((await classify(gateway.url, await drawnSymbol("ring", random))).model.version).toBe("7");
  gateway.gateway.reload({ ...options, models: [shapesModel()] });
  expect((await fetch(`${gateway.url}/v1/catalog/symbols`)).status).toBe(404);
});

test.each([
  {
    name: "a backbone that is not there",
    model: headModelOf("nowhere"),
    says: /unknown model "nowhere"/,
  },
  { name: "itself as its backbone", model: headModelOf("symbols"), says: /of another model/ },
  { name: "a text that is no head", model: headModelOf("shapes", "{}"), says: /not a head/ },
  {
    name: "settings of its own",
    model: { ...headModelOf("shapes", "{}"), labels: ["a"] },
    says: /labels: has no meaning beside head/,
  },
])("$name is refused with the configuration", async ({ model, says }) => {
  await expect(openGateway({ models: [shapesModel(), model], pools: pools() })).rejects.toThrow(
    says,
  );
});

function headModelOf(of: string, document = "{}"): ModelOptions {
  return { name: "symbols", head: { of, versions: [{ version: 1, document }] } };
}

test("backbone and head as one ONNX model give what the gateway gives, to 1e-5", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tensorgate-merged-"));
  let alone: typeof server | undefined;
  try {
    const file = join(bundledModelsDirectory, "shapes/1/model.onnx");
    const { onnx } = mergedOnnx(readFileSync(file), head);
    const manifest = JSON.parse(
      readFileSync(join(bundledModelsDirectory, "shapes/1/manifest.json"), "utf8"),
    );
    const { inputs } = manifest.signatures.serving_default;
    const outputs = { probabilities: { dtype: "FP32", shape: [-1, 2], holds: "probabilities" } };
    const merged = {
      ...manifest,
      labels: classes,
      signatures: { serving_default: { inputs, outputs } },
    };
    const registry = openRegistry(folder);
    await registry.register("symbols", {
      from: [
        { path: "model.onnx", content: { kind: "bytes", bytes: onnx } },
        { path: "manifest.json", content: { kind: "bytes", bytes: JSON.stringify(merged) } },
        { path: "head.json", content: { kind: "bytes", bytes: headText(head) } },
      ],
      aliases: ["champion"],
    });
    alone = await startModelServer({ port: 0, models: { directory: folder } });
    const model = {
      ...shapesModel(),
      name: "symbols",
      labels: classes,
      output: { probabilities: { holds: "probabilities" } },
    } as const;
    await using whole = await openGateway({
      models: [model],
      pools: [{ model: "symbols", region: "westeurope", replicas: [`127.0.0.1:${alone.port}`] }],
    });
    await whole.gateway.ready();
    // As `serve --registry` reads it.
    const found = await createHeadReader(folder).read([shapesModel()]);
    expect(found.faults).toEqual([]);
    await using apart = await withHead(found.models[0]);
    for (const name of classes) {
      const picture = await drawnSymbol(name, random);
      const [a, b] = [
        await classify(whole.url, picture),
        await classify(apart.url, picture, "?versionLabel=champion"),
      ];
      for (const { label, score } of b.results[0].labels) {
        const other = a.results[0].labels.find((each) => each.label === label);
        expect(Math.abs((other?.score ?? 9) - score)).toBeLessThan(1e-5);
      }
    }
  } finally {
    await alone?.close(0);
    rmSync(folder, { recursive: true });
  }
});
