import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { float32Tensor, type Signature } from "@tensorgate/core";
import { startModelServer } from "@tensorgate/model-server";
import { DataType } from "@tensorgate/proto/tensorflow/framework";
import { PredictionService } from "@tensorgate/proto/tensorflow_serving/prediction_service";
import {
  decodedPicture,
  mapLoop,
  middle,
  resizedPicture,
  shorterSide,
  testConstant,
  testNode,
  withoutMeans,
  writeSavedModel,
} from "@tensorgate/savedmodel/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { plainPng } from "../support/pictures.ts";
import { openGateway, type RunningGateway } from "../support/running-gateway.ts";

// SavedModels in the folders of tensorflow_model_server, behind a gateway: no other file than TensorFlow's.

const float = { T: { type: "FP32" } } as const;
const integers = (name: string, values: readonly number[]) =>
  testConstant(name, values, { dtype: "INT32" });

/** y = a·x + b, with its variables in a checkpoint. */
function addHalfPlusTwo(folder: string): void {
  const variable = (name: string) =>
    testNode("VariableV2", name, [], { dtype: { type: "FP32" }, shape: { shape: [] } });
  const signature: Signature = {
    inputs: new Map([["x", { dtype: "FP32", shape: [1], graphName: "x:0" }]]),
    outputs: new Map([["y", { dtype: "FP32", shape: [1], graphName: "y:0" }]]),
  };
  writeSavedModel(folder, {
    nodes: [
      testNode("Placeholder", "x", [], { dtype: { type: "FP32" } }),
      ...["a", "b"].map(variable),
      testNode("Mul", "half", ["a", "x"], float),
      testNode("Add", "y", ["half", "b"], float),
      testConstant("file", 0),
      testNode("Const", "names", [], { dtype: { type: "BYTES" }, value: { texts: ["a", "b"] } }),
      testNode("RestoreV2", "restore", ["file", "names", "names"]),
      testNode("Assign", "assign_a", ["a", "restore"]),
      testNode("Assign", "assign_b", ["b", "restore:1"]),
      testNode("NoOp", "restore_all", ["^assign_a", "^assign_b"]),
    ],
    signatures: { serving_default: signature },
    restoreOp: "restore_all",
    variables: new Map([
      ["a", float32Tensor([], Float32Array.of(0.5))],
      ["b", float32Tensor([], Float32Array.of(2))],
    ]),
  });
}

/** Which of its colors a picture has most of: decoded, resized, cropped and scored by the graph itself. */
function addColors(folder: string): void {
  const signature: Signature = {
    inputs: new Map([["images", { dtype: "BYTES", shape: [-1], graphName: "images:0" }]]),
    outputs: new Map([["scores", { dtype: "FP32", shape: [-1, 3], graphName: "scores:0" }]]),
  };
  const body = [
    ...decodedPicture,
    ...shorterSide,
    ...resizedPicture(),
    ...middle,
    ...withoutMeans("middle"),
  ];
  writeSavedModel(folder, {
    nodes: [
      ...mapLoop(body),
      integers("axes", [1, 2]),
      testNode("Mean", "mean", ["mapped", "axes"], { keep_dims: false, ...float }),
      testNode("Softmax", "scores", ["mean"], float),
    ],
    signatures: { serving_default: signature },
  });
}

let running: RunningGateway;
let close: () => Promise<void>;
beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), "tensorgate-saved-"));
  addHalfPlusTwo(join(folder, "models", "half_plus_two", "123"));
  addColors(join(folder, "models", "colors", "1"));
  const server = await startModelServer({
    port: 0,
    models: { directory: join(folder, "models") },
    cacheFolder: join(folder, "cache"),
  });
  const replicas = [`127.0.0.1:${server.port}`];
  running = await openGateway({
    models: [
      { name: "half_plus_two", input: { tensor: "x" }, output: {} },
      {
        name: "colors",
        input: { tensor: "images", kind: "encoded-image" },
        output: { scores: { holds: "probabilities" } },
        labels: ["red", "green", "blue"],
      },
    ],
    pools: ["half_plus_two", "colors"].map((model) => ({ model, region: "westeurope", replicas })),
  });
  await running.gateway.ready();
  close = async () => {
    await running[Symbol.asyncDispose]();
    await server.close(0);
    rmSync(folder, { recursive: true });
  };
}, 60_000);
afterAll(() => close());

describe("half_plus_two", () => {
  test("answers by REST", async () => {
    const response = await fetch(`${running.url}/v1/models/half_plus_two:predict`, {
      method: "POST",
      body: '{"instances": [1.0, 2.0, 5.0]}',
    });

    expect(await response.json()).toEqual({ predictions: [2.5, 3, 4.5] });
  });

  test("answers by gRPC, with its version", async () => {
    const transport = createGrpcTransport({ baseUrl: running.url });
    const { outputs, modelSpec } = await createClient(PredictionService, transport).predict({
      modelSpec: { name: "half_plus_two" },
      inputs: {
        x: {
          dtype: DataType.DT_FLOAT,
          tensorShape: { dim: [{ size: 3n }] },
          floatVal: [1, 2, 5],
        },
      },
    });
    const { y } = outputs;
    const bytes = new Uint8Array(y?.tensorContent ?? []);
    const values = bytes.byteLength > 0 ? [...new Float32Array(bytes.buffer)] : y?.floatVal;

    expect(values).toEqual([2.5, 3, 4.5]);
    expect(modelSpec?.versionChoice).toMatchObject({ value: { value: 123n } });
  });
});

test.each([
  { label: "red", color: [250, 20, 20] },
  { label: "blue", color: [20, 20, 250] },
] as const)("a graph that decodes pictures finds the $label one", async ({ label, color }) => {
  const response = await fetch(`${running.url}/v1/classify/colors?topK=1`, {
    method: "POST",
    body: Uint8Array.from(plainPng([...color], 80)),
  });

  expect(await response.json()).toMatchObject({
    model: { name: "colors", version: "1" },
    results: [{ labels: [{ label }] }],
  });
});
