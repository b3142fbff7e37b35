import type http2 from "node:http2";
import { type ClientError, PredictionClient } from "@tensorgate/client";
import { openServingServices } from "@tensorgate/client/tensorflow-serving";
import { float32Tensor, type Tensor } from "@tensorgate/core";
import { manualClockAndRandom } from "@tensorgate/core/testing";
import { bundledModelsDirectory, startModelServer } from "@tensorgate/model-server";
import type { ReceivedPredictRequest } from "@tensorgate/tf-serving";
import { expect, test } from "vitest";
import { type FakeReplicaOptions, reply, startFakeReplica } from "../support/fake-replica.ts";

const star = new URL("../../examples/pictures/star.jpg", import.meta.url);
const scores = (values: readonly number[]) => float32Tensor([1, 2], Float32Array.from(values));

/** A server that remembers what it was asked, and answers with `outputs`. */
async function serverThat(answer: FakeReplicaOptions["answer"], isPredictOnly = true) {
  const heard: { request: ReceivedPredictRequest; headers: Record<string, unknown> }[] = [];
  const replica = await startFakeReplica({
    isPredictOnly,
    versions: () => [3n],
    answer: (request, headers) => {
      heard.push({ request, headers });
      return answer?.(request, headers) ?? new Map();
    },
  });
  const [address = "", port] = replica.address.split(":");
  return { replica, heard, at: { address, port: Number(port) } };
}

const twoOutputs = () =>
  new Map<string, Tensor>([
    ["classifier/resnet_v1_50/predictions/Softmax:0", scores([0.25, 0.75])],
    ["brainwave_target_node_1_Version_0.1:0", float32Tensor([1, 1, 1, 3], new Float32Array(3))],
  ]);

test("an FPGA's container is asked as its own client does", async () => {
  const { replica, heard, at } = await serverThat(twoOutputs);
  await using _replica = replica;
  await using client = new PredictionClient({ ...at, accessToken: "secret", serviceName: "mine" });

  const all = await client.scoreFile(star);
  const one = await client.scoreFile(star, {
    outputs: "classifier/resnet_v1_50/predictions/Softmax:0",
  });
  const several = await client.scoreFile(star, {
    outputs: ["brainwave_target_node_1_Version_0.1:0"],
  });

  expect(Object.keys(all)).toHaveLength(2);
  expect(one).toEqual({ dtype: "FP32", shape: [2], data: Float32Array.of(0.25, 0.75) });
  expect(several[0]?.shape).toEqual([1, 1, 3]);
  expect(heard[0]?.headers).toMatchObject({
    authorization: "Bearer secret",
    "x-ms-aml-grpc-service-route": "/api/v1/service/mine",
  });
  expect(heard[1]?.request).toMatchObject({ inputNames: ["Placeholder:0"], outputFilter: [] });
  expect(heard[1]?.request.modelSpec?.name ?? "").toBe("");
  expect(heard[1]?.request.input("Placeholder:0")).toMatchObject({ dtype: "BYTES", shape: [1] });
});

test("a picture is sent as the tensor that `input` names", async () => {
  const { replica, heard, at } = await serverThat(twoOutputs);
  await using _replica = replica;
  await using client = new PredictionClient(at);

  await client.scoreFile(star, { input: "image_bytes:0" });

  expect(heard[0]?.request).toMatchObject({ inputNames: ["image_bytes:0"] });
});

test("with a family tensors have the gateway's names, whatever the dialect", async () => {
  const { replica, heard, at } = await serverThat(twoOutputs);
  await using _replica = replica;
  await using client = new PredictionClient({ ...at, family: "resnet-50" });

  const found = await client.scoreFile(star, { outputs: ["output_alias", "features"] });

  expect(found.map(({ shape }) => shape)).toEqual([[2], [1, 1, 3]]);
  expect(heard[0]?.request.inputNames).toEqual(["Placeholder:0"]);
});

test("the preview's token has no scheme, and TensorFlow Serving gets model and outputs", async () => {
  const only = () => new Map<string, Tensor>([["y", scores([1, 2])]]);
  const { replica, heard, at } = await serverThat(only, false);
  await using _replica = replica;
  await using preview = new PredictionClient({
    ...at,
    accessToken: "secret",
    dialect: "azure-fpga-preview",
  });
  await using serving = new PredictionClient({ ...at, model: "m" });

  const tensor = await preview.scoreFile(star);
  const y = await serving.scoreTensors(
    { x: { data: [1, 2, 3, 4], shape: [2, 2] } },
    { outputs: "y", version: 3 },
  );

  expect(tensor).toMatchObject({ shape: [2] });
  // Of a batch of two nothing is taken off.
  expect(y).toMatchObject({ shape: [1, 2] });
  expect(heard[0]).toMatchObject({
    request: { inputNames: ["images"] },
    headers: { authorization: "secret" },
  });
  expect(heard[1]?.request).toMatchObject({
    modelSpec: { name: "m", version: 3n },
    outputFilter: ["y"],
  });
});

test("a device that is being flashed is asked again, what the caller did wrong is not", async () => {
  const answers = [
    { code: 14, message: "flashing" },
    { code: 14, message: "flashing" },
    twoOutputs(),
    { code: 3, message: "no such input" },
    { code: 2, message: "Object reference not set to an instance of an object." },
  ];
  const { replica, heard, at } = await serverThat(() => answers.shift() ?? new Map());
  await using _replica = replica;
  const { clock, random } = manualClockAndRandom();
  await using client = new PredictionClient({
    ...at,
    clockAndRandom: { clock, random },
    onEvent: ({ type }) => {
      if (type === "retry") setImmediate(() => clock.advance(2_000));
    },
  });

  expect((await client.scoreFile(star)).meta.attempts).toBe(3);
  const refused = (await client.scoreFile(star).catch((thrown) => thrown)) as ClientError;
  expect(refused).toMatchObject({ reason: "upstream-answered", attempts: 1, grpcCode: 3 });
  const unknown = (await client.scoreFile(star).catch((thrown) => thrown)) as ClientError;
  expect(unknown.hint).toContain("Placeholder_1:0");
  expect(heard).toHaveLength(5);
});

test("an unreachable server is reported with its address", async () => {
  await using client = new PredictionClient({ address: "127.0.0.1", port: 1, maxRetries: 0 });

  await expect(client.scoreFile(star)).rejects.toMatchObject({
    reason: "upstream-failed",
    retryable: true,
    message: expect.stringContaining("scoreFile: 127.0.0.1:1 answered UNAVAILABLE"),
  });
});

test("contradicting options are rejected immediately", () => {
  const make = (options: object) => () => new PredictionClient({ address: "10.0.0.4", ...options });

  expect(make({ accessToken: "x" })).toThrow("the token would be sent to 10.0.0.4 in plaintext");
  expect(make({ accessToken: "x", useTls: true })).not.toThrow();
  expect(make({ dialect: "tensorflow-serving" })).toThrow("set model to the name of one");
});

test.each([
  {
    what: "bytes that are announced",
    answer: (stream: http2.ServerHttp2Stream) => {
      stream.respond({ ":status": 200, "content-type": "application/grpc" });
      stream.write(Buffer.of(0, 0xf0, 0, 0, 0));
    },
    message: "is longer than 134217728 bytes",
  },
  {
    what: "empty outputs",
    answer: (stream: http2.ServerHttp2Stream) => reply(stream, Buffer.alloc(2_000_000, "x\0")),
    message: "invalid reply from the model server",
  },
])("a reply with too many $what is the server's failure", async ({ answer, message }) => {
  const intercept = (stream: http2.ServerHttp2Stream) => {
    answer(stream.resume());
    return true;
  };
  await using server = await startFakeReplica({ intercept });
  const at = { address: "127.0.0.1", port: server.port, maxRetries: 0 };
  await using client = new PredictionClient(at);

  await expect(client.scoreFile(star)).rejects.toMatchObject({
    reason: "upstream-failed",
    message: expect.stringContaining(message),
  });
});

test("every call of a model server can be made with its own messages", async () => {
  const models = { name: "shapes", basePath: `${bundledModelsDirectory}/shapes` };
  const server = await startModelServer({ port: 0, models });
  using services = openServingServices(`http://127.0.0.1:${server.port}`);
  await using client = new PredictionClient({
    address: "127.0.0.1",
    port: server.port,
    model: "shapes",
  });

  const { modelVersionStatus } = await services.model.getModelStatus({
    modelSpec: { name: "shapes" },
  });
  const probabilities = await client.scoreFile(star, { outputs: "scores" });

  expect(modelVersionStatus.map(({ version }) => version)).toEqual([1n]);
  expect(probabilities.shape).toEqual([16]);
  expect(Math.max(...(probabilities.data as Float32Array))).toBeCloseTo(0.969, 2);
  await server.close();
});
