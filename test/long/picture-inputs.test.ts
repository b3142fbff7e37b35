import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { fixedSizeTensor, float16Bits, type Tensor } from "@tensorgate/core";
import type { ModelOptions, PoolOptions } from "@tensorgate/gateway";
import { addModel, findModels, startModelServer } from "@tensorgate/model-server";
import { ScoringService } from "@tensorgate/proto/tensorgate/v1/scoring";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { modelOptionsFromFolder } from "../../packages/cli/src/demo/model-options.ts";
import { addModelFile } from "../../packages/model-server/src/testing.ts";
import { startFakeReplica } from "../support/fake-replica.ts";
import { runInProcess } from "../support/in-process-command.ts";
import { plainPng } from "../support/pictures.ts";
import { type PixelModel, pixelModel } from "../support/pixel-models.ts";
import { openGateway, type RunningGateway } from "../support/running-gateway.ts";

// Models that take pixels of other types than float32, or one channel (microsoft/onnxruntime#26791), and answer in
// other types.

const folder = mkdtempSync(join(tmpdir(), "tensorgate-field-"));
afterAll(() => rmSync(folder, { recursive: true }));

const color = [200, 100, 50] as const;
const picture = plainPng(color, 12);
const lumaOf = ([red, green, blue]: typeof color) => 0.299 * red + 0.587 * green + 0.114 * blue;

interface NamedModel extends PixelModel {
  readonly name: string;
  readonly input: Partial<Extract<ModelOptions["input"], { readonly kind: "pixels" }>>;
}

const models: readonly NamedModel[] = [
  {
    name: "uint8-nhwc",
    dtype: "uint8",
    shape: ["n", 8, 8, 3],
    scores: "float",
    input: { dtype: "UINT8" },
  },
  {
    name: "uint8-nchw",
    dtype: "uint8",
    shape: ["n", 3, 8, 8],
    scores: "double",
    input: { dtype: "UINT8", layout: "nchw" },
  },
  {
    name: "fp16-nchw",
    dtype: "float16",
    shape: ["n", 3, 8, 8],
    scores: "float16",
    input: { dtype: "FP16", layout: "nchw" },
  },
  {
    name: "fp16-nhwc",
    dtype: "float16",
    shape: ["n", 8, 8, 3],
    scores: "float",
    input: { dtype: "FP16" },
  },
  {
    name: "grey-nchw",
    dtype: "float",
    shape: ["n", 1, 8, 8],
    scores: "float",
    input: { channelOrder: "grayscale", layout: "nchw" },
  },
  {
    name: "grey-uint8-nhwc",
    dtype: "uint8",
    shape: ["n", 8, 8, 1],
    scores: "float16",
    input: { channelOrder: "grayscale", dtype: "UINT8" },
  },
];

const isGrey = ({ name }: NamedModel) => name.startsWith("grey");
const labelsOf = (model: NamedModel) =>
  isGrey(model) ? ["dark", "bright"] : ["red", "green", "blue"];

/** Best first. */
const expectedOf = (model: NamedModel): readonly (readonly [string, number])[] => {
  const bright = lumaOf(color) / 255;
  return isGrey(model)
    ? [
        ["dark", 1 - bright],
        ["bright", bright],
      ]
    : [
        ["red", 200 / 255],
        ["green", 100 / 255],
        ["blue", 50 / 255],
      ];
};

type Labelled = readonly { readonly label: string; readonly score: number }[];

function assertLabels(actual: Labelled | undefined, model: NamedModel): void {
  const expected = expectedOf(model);
  expect(actual?.map(({ label }) => label)).toEqual(expected.map(([label]) => label));
  // A byte is rounded to half of 255, and float16 has eleven bits.
  for (const [index, [, score]] of expected.entries()) {
    expect(Math.abs((actual?.[index]?.score ?? -1) - score)).toBeLessThan(0.003);
  }
}

async function byRest(url: string, name: string): Promise<Labelled | undefined> {
  const response = await fetch(`${url}/v1/classify/${name}`, {
    method: "POST",
    headers: { "content-type": "image/png" },
    body: picture,
  });
  expect(response.status, await response.clone().text()).toBe(200);
  const { results } = (await response.json()) as { results: { labels?: Labelled }[] };
  return results[0]?.labels;
}

async function byGrpc(url: string, name: string): Promise<Labelled | undefined> {
  const client = createClient(ScoringService, createGrpcTransport({ baseUrl: url }));
  const { results } = await client.classify({
    modelSpec: { name },
    pictures: [{ source: { case: "data", value: picture } }],
  });
  const [result] = results;
  return result?.outcome.case === "labels" ? result.outcome.value.labels : undefined;
}

describe("a picture is scored", () => {
  let running: RunningGateway;
  let address: string;
  let close: () => Promise<void>;
  const imported = (name: string) => `${name}-imported`;

  beforeAll(async () => {
    const directory = join(folder, "served");
    for (const model of models) {
      const bytes = pixelModel(model);
      addModelFile(directory, model.name, bytes);
      const weights = join(folder, `${model.name}.onnx`);
      writeFileSync(weights, bytes);
      await addModel({
        name: imported(model.name),
        weights,
        directory,
        picture,
        labels: labelsOf(model),
        holds: "probabilities",
        ...(model.dtype !== "uint8" && { mean: [0, 0, 0] }),
      });
    }
    const server = await startModelServer({ port: 0, models: { directory } });
    address = `127.0.0.1:${server.port}`;
    const described = models.map(
      (model): ModelOptions => ({
        name: model.name,
        input: { tensor: "x", kind: "pixels", heightPx: 8, widthPx: 8, ...model.input },
        output: { scores: { holds: "probabilities" } },
        labels: labelsOf(model),
      }),
    );
    const folders = findModels({ directory }).filter(({ manifest }) => manifest);
    const all = [...described, ...folders.map(modelOptionsFromFolder)];
    const pools = all.map(
      ({ name }): PoolOptions => ({
        model: name,
        region: "westeurope",
        replicas: [address],
        batch: { maxPictures: 4 },
      }),
    );
    running = await openGateway({ models: all, pools });
    await running.gateway.ready();
    close = async () => {
      await running[Symbol.asyncDispose]();
      await server.close(0);
    };
  }, 30_000);
  afterAll(() => close());

  test.each(models)("by REST and gRPC, decoded by the gateway for $name", async (model) => {
    assertLabels(await byRest(running.url, model.name), model);
    assertLabels(await byGrpc(running.url, model.name), model);
  });

  test.each(models)("by REST and gRPC, by an imported $name", async (model) => {
    assertLabels(await byRest(running.url, imported(model.name)), model);
    assertLabels(await byGrpc(running.url, imported(model.name)), model);
  });

  test.each(models)("in a batch by $name", async (model) => {
    const client = createClient(ScoringService, createGrpcTransport({ baseUrl: running.url }));
    const source = { case: "data" as const, value: picture };

    const { results } = await client.classify({
      modelSpec: { name: model.name },
      pictures: [{ source }, { source }, { source }],
    });

    expect(results).toHaveLength(3);
    for (const { outcome } of results) {
      assertLabels(outcome.case === "labels" ? outcome.value.labels : undefined, model);
    }
  });

  test.each(models)("by the configuration that attach writes for $name", async (model) => {
    const output = join(folder, `${model.name}.yaml`);
    const flags = ["--model", model.name, "--region", "here", "-o", output];

    const { code, stderr } = await runInProcess(["attach", address, ...flags]);

    expect(stderr).toContain("the test picture is");
    expect(code).toBe(0);
    const text = readFileSync(output, "utf8");
    for (const [key, value] of Object.entries(model.input)) {
      expect(text).toContain(`${key}: ${value}`);
    }
  });
});

const doubles = (values: readonly number[]) =>
  fixedSizeTensor("FP64", [1, values.length], new Uint8Array(Float64Array.from(values).buffer));
const halves = (dtype: "FP16" | "BF16", values: readonly number[]) => {
  const bitsOf = (value: number) =>
    dtype === "FP16"
      ? float16Bits(value)
      : (new Uint32Array(Float32Array.of(value).buffer)[0] ?? 0) >>> 16;
  return fixedSizeTensor(
    dtype,
    [1, values.length],
    new Uint8Array(Uint16Array.from(values, bitsOf).buffer),
  );
};

test.each([
  { what: "FP64", tensor: doubles([0.25, 0.75]), scores: [0.75, 0.25] },
  { what: "FP16", tensor: halves("FP16", [0.25, 0.75]), scores: [0.75, 0.25] },
  { what: "BF16", tensor: halves("BF16", [0.25, 0.75]), scores: [0.75, 0.25] },
  { what: "one probability in FP64", tensor: doubles([0.75]), scores: [0.75, 0.25] },
  { what: "one probability in FP16", tensor: halves("FP16", [0.75]), scores: [0.75, 0.25] },
])("scores are read as $what", async ({ tensor, scores }) => {
  await using replica = await startFakeReplica({ answer: () => new Map([["scores", tensor]]) });
  await using running = await gatewayTo(replica.address, {});

  const labels = await byRest(running.url, "m");

  expect(labels?.map(({ label }) => label)).toEqual(["yes", "no"]);
  expect(labels?.map(({ score }) => score)).toEqual(scores);
});

test("one logit is the second class's, by the sigmoid", async () => {
  const tensor = halves("FP16", [Math.log(3)]);
  await using replica = await startFakeReplica({ answer: () => new Map([["scores", tensor]]) });
  const output = { scores: { holds: "logits" as const } };
  await using running = await gatewayTo(replica.address, { output });

  const labels = await byRest(running.url, "m");

  expect(labels?.map(({ label }) => label)).toEqual(["yes", "no"]);
  expect(labels?.[0]?.score).toBeCloseTo(0.75, 3);
});

// tensorflow/serving#1869: a graph that decodes one picture takes a scalar string.
test("a graph that takes a scalar gets its pictures as scalars, one in each call", async () => {
  const shapes: (readonly number[])[] = [];
  const tensor: Tensor = fixedSizeTensor(
    "FP32",
    [2],
    new Uint8Array(Float32Array.of(0.25, 0.75).buffer),
  );
  await using replica = await startFakeReplica({
    answer: (request) => {
      shapes.push(request.input("images").shape);
      return new Map([["scores", tensor]]);
    },
  });
  const input = { tensor: "images", kind: "encoded-image" as const, scalar: true };
  await using running = await gatewayTo(replica.address, { input });
  const client = createClient(ScoringService, createGrpcTransport({ baseUrl: running.url }));
  const source = { case: "data" as const, value: picture };

  const { results } = await client.classify({
    modelSpec: { name: "m" },
    pictures: [{ source }, { source }],
  });

  expect(results.map(({ outcome }) => outcome.case)).toEqual(["labels", "labels"]);
  expect(shapes).toEqual([[], []]);
});

async function gatewayTo(address: string, options: Partial<ModelOptions>): Promise<RunningGateway> {
  const running = await openGateway({
    models: [
      {
        name: "m",
        input: { tensor: "images", kind: "encoded-image" },
        output: { scores: { holds: "probabilities" } },
        labels: ["no", "yes"],
        ...options,
      },
    ],
    pools: [{ model: "m", region: "westeurope", replicas: [address], batch: { maxPictures: 4 } }],
  });
  await running.gateway.ready();
  return running;
}
