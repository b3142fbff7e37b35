import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import type { ModelOptions } from "@tensorgate/gateway";
import { startModelServer } from "@tensorgate/model-server";
import { DataType } from "@tensorgate/proto/tensorflow/framework";
import { PredictionService } from "@tensorgate/proto/tensorflow_serving/prediction_service";
import { ScoringService } from "@tensorgate/proto/tensorgate/v1/scoring";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { addModelFile } from "../../packages/model-server/src/testing.ts";
import { plainPng, samplePicture } from "../support/pictures.ts";
import { type PixelModel, pixelModel } from "../support/pixel-models.ts";
import { openGateway, type RunningGateway } from "../support/running-gateway.ts";

// Clients of TensorFlow Serving send encoded pictures to models whose replicas take pixels.

interface NamedModel extends PixelModel {
  readonly name: string;
  readonly input: Partial<Extract<ModelOptions["input"], { readonly kind: "pixels" }>>;
  readonly batchSize?: number;
}

const models: readonly NamedModel[] = [
  {
    name: "cropped",
    dtype: "float",
    shape: ["n", 8, 8, 3],
    scores: "float",
    input: { shorterSidePx: 12, mean: [40, 30, 20], scale: 0.5, channelOrder: "bgr" },
  },
  {
    name: "in-batches",
    dtype: "uint8",
    shape: ["n", 3, 8, 8],
    scores: "float",
    input: { layout: "nchw", dtype: "UINT8" },
    batchSize: 2,
  },
  { name: "one-by-one", dtype: "float", shape: [1, 8, 8, 3], scores: "float", input: {} },
];
const names = models.map(({ name }) => name);

let pictures: readonly Uint8Array<ArrayBuffer>[];
let running: RunningGateway;
let close: () => Promise<void>;
beforeAll(async () => {
  const star = samplePicture("star");
  // Turned by Exif and of a format that no graph of TensorFlow's reads.
  const turned = await sharp(star).withMetadata({ orientation: 6 }).jpeg().toBuffer();
  pictures = [star, plainPng([200, 100, 50], 12), turned, await sharp(star).webp().toBuffer()].map(
    (bytes) => Uint8Array.from(bytes),
  );
  const directory = mkdtempSync(join(tmpdir(), "tensorgate-serving-pictures-"));
  for (const model of models) addModelFile(directory, model.name, pixelModel(model));
  const server = await startModelServer({ port: 0, models: { directory } });
  const replicas = [`127.0.0.1:${server.port}`];
  running = await openGateway({
    models: models.map(({ name, input }) => ({
      name,
      input: { tensor: "x", kind: "pixels", heightPx: 8, widthPx: 8, ...input },
      output: { scores: { holds: "probabilities" } },
      labels: ["red", "green", "blue"],
    })),
    pools: models.map(({ name, batchSize }) => ({
      model: name,
      region: "westeurope",
      replicas,
      ...(batchSize && { batch: { maxPictures: batchSize } }),
    })),
  });
  await running.gateway.ready();
  close = async () => {
    await running[Symbol.asyncDispose]();
    await server.close(0);
    rmSync(directory, { recursive: true });
  };
});
afterAll(() => close());

/** Scores of each picture by the gateway's own API, in the order of the classes. */
async function classified(name: string): Promise<readonly (readonly number[])[]> {
  const body = JSON.stringify({
    images: pictures.map((bytes) => ({ b64: Buffer.from(bytes).toString("base64") })),
  });
  const response = await fetch(`${running.url}/v1/classify/${name}?minScore=0`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body,
  });
  const { results } = (await response.json()) as {
    results: { labels: { index: number; score: number }[] }[];
  };
  return results.map(({ labels }) =>
    labels.toSorted((a, b) => a.index - b.index).map(({ score }) => Math.fround(score)),
  );
}

async function predict(name: string, body: unknown) {
  const response = await fetch(`${running.url}/v1/models/${name}:predict`, {
    method: "POST",
    body: JSON.stringify(body),
  });
  const answer = (await response.json()) as Record<string, number[][]>;
  return { status: response.status, answer };
}

const b64 = (bytes: Uint8Array) => ({ b64: Buffer.from(bytes).toString("base64") });
const floats = (rows: readonly (readonly number[])[] = []) =>
  rows.map((row) => row.map((value) => Math.fround(value)));

function strings(values: readonly Uint8Array[], shape = [values.length]) {
  return {
    dtype: DataType.DT_STRING,
    tensorShape: { dim: shape.map((size) => ({ size: BigInt(size) })) },
    stringVal: [...values],
  };
}

describe.each(names)("to the model %s", (name) => {
  test("by REST, in rows and in columns, as named inputs and as plain ones", async () => {
    const expected = await classified(name);
    const plain = pictures.map(b64);

    expect(floats((await predict(name, { instances: plain })).answer["predictions"])).toEqual(
      expected,
    );
    const rows = { instances: plain.map((x) => ({ x })) };
    expect(floats((await predict(name, rows)).answer["predictions"])).toEqual(expected);
    const columns = { inputs: { x: plain } };
    expect(floats((await predict(name, columns)).answer["outputs"])).toEqual(expected);
    const scalar = { inputs: plain[0] };
    expect(floats((await predict(name, scalar)).answer["outputs"])).toEqual(expected.slice(0, 1));
  });

  const transports: readonly { way: string; make: () => Transport }[] = [
    { way: "gRPC", make: () => createGrpcTransport({ baseUrl: running.url }) },
    {
      way: "gRPC-Web",
      make: () => createGrpcWebTransport({ baseUrl: running.url, httpVersion: "1.1" }),
    },
    {
      way: "Connect",
      make: () => createConnectTransport({ baseUrl: running.url, httpVersion: "1.1" }),
    },
  ];
  test.each(transports)("by $way", async ({ make }) => {
    const client = createClient(PredictionService, make());

    const response = await client.predict({
      modelSpec: { name },
      inputs: { x: strings(pictures) },
      outputFilter: ["scores"],
    });

    const { floatVal = [], tensorShape } = response.outputs["scores"] ?? {};
    expect(tensorShape?.dim.map(({ size }) => size)).toEqual([BigInt(pictures.length), 3n]);
    expect(floatVal).toEqual((await classified(name)).flat());
    expect(response.modelSpec).toMatchObject({ name, signatureName: "serving_default" });
  });

  test("by the gateway's own Predict", async () => {
    const client = createClient(ScoringService, createGrpcTransport({ baseUrl: running.url }));
    const [first = new Uint8Array()] = pictures;

    const { outputs } = await client.predict({
      modelSpec: { name },
      inputs: {
        x: {
          dtype: "BYTES",
          shape: [],
          values: { case: "elements", value: { elements: [first] } },
        },
      },
    });

    const { shape, values } = outputs["scores"] ?? {};
    expect(shape).toEqual([1n, 3n]);
    const data = Uint8Array.from(values?.case === "data" ? values.value : []);
    expect([...new Float32Array(data.buffer)]).toEqual((await classified(name))[0]);
  });

  test("what is no picture is the caller's mistake, in TensorFlow Serving's form", async () => {
    const [first = new Uint8Array()] = pictures;
    const noPicture = Buffer.from("no picture");
    const client = createClient(PredictionService, createGrpcTransport({ baseUrl: running.url }));

    const byRest = await predict(name, { instances: [b64(first), b64(noPicture)] });
    const error = ConnectError.from(
      await client
        .predict({ modelSpec: { name }, inputs: { x: strings([first, noPicture]) } })
        .catch((thrown) => thrown),
    );

    expect(byRest.status).toBe(400);
    expect(byRest.answer).toEqual({ error: error.rawMessage });
    expect(error.code).toBe(Code.InvalidArgument);
    expect(error.rawMessage).toMatch(/^picture 1 of input "x": /);
  });
});

test("pixels are passed on as they came", async () => {
  const row = Array.from({ length: 8 }, () => Array.from({ length: 8 }, () => [255, 51, 0]));

  const { answer } = await predict("cropped", { instances: [row, row] });

  expect(floats(answer["predictions"])).toEqual(
    floats([
      [1, 0.2, 0],
      [1, 0.2, 0],
    ]),
  );
});

test.each([
  { name: "several axes", x: strings([plainPng([1, 2, 3], 4)], [1, 1]), message: "of shape [1,1]" },
  { name: "no picture at all", x: strings([], [0]), message: "has no picture" },
  {
    name: "a tensor that cannot be read",
    x: { dtype: DataType.DT_STRING, tensorContent: new Uint8Array([9]) },
    message: "tensor parsing error: x",
  },
])("$name is refused", async ({ x, message }) => {
  const client = createClient(PredictionService, createGrpcTransport({ baseUrl: running.url }));

  const asked = client.predict({ modelSpec: { name: "cropped" }, inputs: { x } });
  const error = ConnectError.from(await asked.catch((thrown) => thrown));

  expect(error.code).toBe(Code.InvalidArgument);
  expect(error.rawMessage).toContain(message);
});

test("text instead of a picture's pixels is no picture, and a number beside it no text", async () => {
  const mixed = await predict("cropped", { instances: [b64(plainPng([1, 2, 3], 4)), 1] });

  expect(mixed).toEqual({
    status: 400,
    answer: {
      error:
        "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: JSON Value: 1 Type: Number is not of expected type: string",
    },
  });
});
