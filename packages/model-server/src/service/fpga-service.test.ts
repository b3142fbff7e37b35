import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, credentials, type ServiceError } from "@grpc/grpc-js";
import { float32Tensor, float32Values } from "@tensorgate/core";
import { grpcCode } from "@tensorgate/grpc";
import { predictRequestSegments, scoreResponseFromPredictResponse } from "@tensorgate/tf-serving";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startModelServer } from "../model-server.ts";
import type { ModelServer } from "../model-server-options.ts";
import { createGraphBuilder } from "../onnx/graph-builder.ts";
import { createServingCaller } from "../testing.ts";

const folder = mkdtempSync(join(tmpdir(), "tensorgate-fpga-"));
let server: ModelServer;
let client: Client;

beforeAll(async () => {
  for (const [base, name] of [
    ["one", "half_plus_two"],
    ["two", "a"],
    ["two", "b"],
  ] as const) {
    mkdirSync(join(folder, base, name, "1"), { recursive: true });
    writeFileSync(join(folder, base, name, "1", "model.onnx"), halfPlusTwo());
  }
  const models = { directory: join(folder, "one") };
  server = await startModelServer({ port: 0, models, dialect: "azure-fpga" });
  client = new Client(`127.0.0.1:${server.port}`, credentials.createInsecure());
});
afterAll(async () => {
  client.close();
  await server.close();
  rmSync(folder, { recursive: true });
});

/** y = x / 2 + 2. */
function halfPlusTwo(): Uint8Array {
  const graph = createGraphBuilder("half_plus_two");
  graph.input("x", ["n"]);
  const half = graph.op("Mul", ["x", graph.scalar(0.5)]);
  graph.op("Add", [half, graph.scalar(2)], {}, "y");
  graph.output("y", ["n"]);
  return graph.finish();
}

function call(method: string, message: Uint8Array): Promise<Buffer> {
  const bytes = (buffer: Buffer) => buffer;
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(method, bytes, bytes, Buffer.from(message), (error, reply) => {
      if (error) reject(error);
      else resolve(reply ?? Buffer.alloc(0));
    });
  });
}

const predictPath = "/tensorflow.serving.PredictionService/Predict";

function predict(name: string, model = ""): Promise<Buffer> {
  const inputs = new Map([[name, float32Tensor([3], Float32Array.of(1, 2, 5))]]);
  const request = { modelSpec: { name: model }, inputs, outputFilter: ["no such output"] };
  return call(predictPath, Buffer.concat(predictRequestSegments(request)));
}

test.each(["", "whatever"])(
  "a request by the graph's names is answered, model %j",
  async (model) => {
    const { outputs, model: answering } = scoreResponseFromPredictResponse(
      await predict("x:0", model),
      { asked: { name: "asked" } },
    );

    const y = outputs.get("y:0");
    expect([...(y ? float32Values(y) : [])]).toEqual([2.5, 3, 4.5]);
    expect(answering).toEqual({ name: "asked", version: 0n });
  },
);

test("another name is a null reference", async () => {
  await expect(predict("x")).rejects.toMatchObject({
    code: grpcCode.UNKNOWN,
    details: "Object reference not set to an instance of an object.",
  });
});

test.each([
  "/tensorflow.serving.PredictionService/GetModelMetadata",
  "/tensorflow.serving.ModelService/GetModelStatus",
  "/grpc.health.v1.Health/Check",
])("%s is not there", async (method) => {
  const error = await call(method, new Uint8Array()).catch((thrown: ServiceError) => thrown);

  expect(error).toMatchObject({ code: grpcCode.UNIMPLEMENTED });
});

test("a classifier answers with its classes only", async () => {
  const features = { dtype: "FP32", shape: [-1], tensor: "y", holds: "features" };
  const scores = { ...features, holds: "probabilities" };
  const inputs = { x: { dtype: "FP32", shape: [-1] } };
  const signatures = { serving_default: { inputs, outputs: { features, scores } } };
  const place = join(folder, "classifier", "half_plus_two", "1");
  mkdirSync(place, { recursive: true });
  writeFileSync(join(place, "model.onnx"), halfPlusTwo());
  writeFileSync(join(place, "manifest.json"), JSON.stringify({ weights: "given", signatures }));
  const models = { directory: join(folder, "classifier") };
  const container = await startModelServer({ port: 0, models, dialect: "azure-fpga" });
  const caller = createServingCaller(container.port);

  const outputs = await caller.score("", { "x:0": float32Tensor([1], Float32Array.of(1)) });

  expect([...outputs.keys()]).toEqual(["scores:0"]);
  caller[Symbol.dispose]();
  await container.close(0);
});

test("two models do not fit into one container", async () => {
  const models = { directory: join(folder, "two") };

  await expect(startModelServer({ port: 0, models, dialect: "azure-fpga" })).rejects.toThrow(
    "exactly one model, not a, b",
  );
});
