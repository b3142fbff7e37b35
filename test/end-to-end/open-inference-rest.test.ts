import { bundledModelsDirectory, startModelServer } from "@tensorgate/model-server";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { samplePicture } from "../support/pictures.ts";
import { openGateway, type RunningGateway, shapesModel } from "../support/running-gateway.ts";

const stack = new AsyncDisposableStack();
let running: RunningGateway;
beforeAll(async () => {
  const server = await startModelServer({
    port: 0,
    models: { directory: bundledModelsDirectory },
  });
  stack.defer(() => server.close());
  const region = "westeurope";
  running = stack.use(
    await openGateway({
      models: [shapesModel(), { name: "absent" }],
      pools: [
        { model: "shapes", region, replicas: [`127.0.0.1:${server.port}`] },
        { model: "absent", region, replicas: ["127.0.0.1:9"] },
      ],
    }),
  );
  const isReady = async () => (await fetch(`${running.url}/v2/models/shapes/ready`)).status;
  await vi.waitUntil(async () => (await isReady()) === 200, { interval: 10, timeout: 10_000 });
});
afterAll(() => stack.disposeAsync());

async function ask(path: string, { method = "GET", ...init }: RequestInit = {}) {
  const response = await fetch(`${running.url}${path}`, { method, ...init });
  const { status, headers } = response;
  return { status, headers, bytes: Buffer.from(await response.arrayBuffer()) };
}

async function askJson(path: string, init?: RequestInit) {
  const { status, bytes } = await ask(path, init);
  return { status, json: JSON.parse(bytes.toString()) };
}

const post = (body: BodyInit, headers: Readonly<Record<string, string>> = {}) => ({
  method: "POST",
  body,
  headers,
});

/** A picture after its JSON, as tritonclient sends one. */
function pictureRequest(outputs: readonly object[], parameters: object = {}) {
  const picture = samplePicture("star");
  const length = Buffer.alloc(4);
  length.writeUInt32LE(picture.byteLength);
  const input = {
    name: "images",
    datatype: "BYTES",
    shape: [1],
    parameters: { binary_data_size: picture.byteLength + 4 },
  };
  const json = Buffer.from(JSON.stringify({ id: "mine", parameters, inputs: [input], outputs }));
  return post(Buffer.concat([json, length, picture]), {
    "inference-header-content-length": String(json.byteLength),
  });
}

const infer = "/v2/models/shapes/infer";

test("classifies a picture with the labels of the catalog", async () => {
  const classes = { name: "scores", parameters: { classification: 2 } };

  const { status, json } = await askJson(infer, pictureRequest([classes]));

  expect(status).toBe(200);
  expect(json).toMatchObject({ id: "mine", model_name: "shapes", model_version: "1" });
  expect(json.outputs).toMatchObject([{ name: "scores", datatype: "BYTES", shape: [1, 2] }]);
  expect(json.outputs[0].data[0]).toMatch(/^0\.9\d{5}:14:star$/);
});

test("takes a body that is nothing but the picture, and answers in bytes", async () => {
  const { status, headers, bytes } = await ask(
    infer,
    post(samplePicture("heart"), { "inference-header-content-length": "0" }),
  );

  expect(status).toBe(200);
  const length = Number(headers.get("inference-header-content-length"));
  const { outputs } = JSON.parse(bytes.subarray(0, length).toString());
  expect(outputs).toEqual([
    { name: "scores", datatype: "FP32", shape: [1, 16], parameters: { binary_data_size: 64 } },
    { name: "features", datatype: "FP32", shape: [1, 96], parameters: { binary_data_size: 384 } },
  ]);
  expect(bytes.byteLength).toBe(length + 64 + 384);
});

test("describes a model by the catalog", async () => {
  const tensors = {
    inputs: [{ name: "images", datatype: "BYTES", shape: [-1] }],
    outputs: [
      { name: "scores", datatype: "FP32", shape: [-1, 16] },
      { name: "features", datatype: "FP32", shape: [-1, 96] },
    ],
  };

  const { json } = await askJson("/v2/models/shapes");

  expect(json).toEqual({
    name: "shapes",
    versions: ["1"],
    platform: "tensorgate_pool",
    ...tensors,
  });
  expect((await askJson("/v2/models/shapes/config")).json).toMatchObject({
    max_batch_size: 0,
    input: [{ name: "images", data_type: "TYPE_STRING", dims: [-1] }],
  });
});

test("lists models, and in the index which of them can be scored", async () => {
  const ready = { name: "shapes", version: "1", state: "READY", reason: "" };
  const absent = { name: "absent", state: "UNAVAILABLE", version: "" };

  expect((await askJson("/v2/models")).json).toEqual({ models: ["shapes", "absent"] });
  const index = "/v2/repository/index";
  expect((await askJson(index, { method: "POST" })).json).toMatchObject([ready, absent]);
  expect((await askJson(index, post('{"ready":true}'))).json).toEqual([ready]);
});

test.each([
  { path: "/v2/models/shapes/ready", status: 200 },
  { path: "/v2/models/shapes/versions/1/ready", status: 200 },
  { path: "/v2/models/shapes/versions/2/ready", status: 404 },
  { path: `/v2/models/shapes/versions/${"9".repeat(60)}/ready`, status: 404 },
  { path: "/v2/models/absent/ready", status: 503 },
  { path: "/v2/models/nope/ready", status: 404 },
  { path: "/v2/models/shapes/generate", status: 404 },
  { path: "/v2/trace/setting", status: 501 },
])("$path is $status", async ({ path, status }) => {
  const answer = await askJson(path);

  expect(answer.status).toBe(status);
  if (status !== 200) expect(answer.json.error).toEqual(expect.any(String));
});

test("a path says which methods it takes", async () => {
  const { status, headers } = await ask(infer);

  expect({ status, allow: headers.get("allow") }).toEqual({ status: 405, allow: "POST" });
});

test.each([
  { parameters: { sequence_id: 7 }, status: 501, reason: "not-supported" },
  { parameters: { timeout: 1 }, status: 504, reason: "deadline-exceeded" },
  { parameters: { timeout: "1" }, status: 400, reason: "invalid-request" },
])("a request with the parameters $parameters fails as $reason", async (each) => {
  const { status, json } = await askJson(infer, pictureRequest([], each.parameters));

  expect({ status, reason: json.reason }).toEqual({ status: each.status, reason: each.reason });
});

test("a sequence without an id, and a long timeout, are no matter", async () => {
  const parameters = { sequence_id: 0, priority: 1, timeout: 20_000_000 };

  expect((await askJson(infer, pictureRequest([], parameters))).status).toBe(200);
});

describe("where no replica serves", () => {
  test("the server is alive and not ready", async () => {
    await using idle = await openGateway({
      models: [{ name: "absent" }],
      pools: [{ model: "absent", region: "westeurope", replicas: ["127.0.0.1:9"] }],
    });
    const statusOf = async (path: string) => (await fetch(`${idle.url}${path}`)).status;

    expect(await statusOf("/v2/health/live")).toBe(200);
    expect(await statusOf("/v2/health/ready")).toBe(503);
  });
});
