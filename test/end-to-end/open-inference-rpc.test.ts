import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { bytesTensor } from "@tensorgate/core";
import { tensorSegments } from "@tensorgate/open-inference";
import { DataType, GRPCInferenceService } from "@tensorgate/proto/inference/open_inference";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { samplePicture } from "../support/pictures.ts";
import { failureOf, framed, postRpc } from "../support/raw-rpc.ts";
import { type RunningGateway, startShapesGateway } from "../support/running-gateway.ts";

let running: RunningGateway;
beforeAll(async () => {
  running = await startShapesGateway();
});
afterAll(() => running[Symbol.asyncDispose]());

const grpc = () =>
  createClient(
    GRPCInferenceService,
    createGrpcTransport({ baseUrl: running.url, defaultTimeoutMs: 10_000 }),
  );
const connectJson = () =>
  createClient(
    GRPCInferenceService,
    createConnectTransport({ baseUrl: running.url, httpVersion: "2", useBinaryFormat: false }),
  );

/** A picture with its length in front, as raw contents have it. */
function rawPicture(name: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(Buffer.concat(tensorSegments(bytesTensor([1], [samplePicture(name)]))));
}

const pictureRequest = (id: string, picture: string, classCount = 1) => ({
  id,
  modelName: "shapes",
  inputs: [{ name: "images", datatype: "BYTES", shape: [1n] }],
  rawInputContents: [rawPicture(picture)],
  outputs: [
    {
      name: "scores",
      parameters: {
        classification: {
          parameterChoice: { case: "int64Param" as const, value: BigInt(classCount) },
        },
      },
    },
  ],
});

describe.each([
  { name: "gRPC", client: grpc },
  { name: "Connect in JSON", client: connectJson },
])("by $name", ({ client }) => {
  test("classifies a picture with the labels of the catalog", async () => {
    const response = await client().modelInfer(pictureRequest("mine", "star", 2));

    expect(response).toMatchObject({ id: "mine", modelName: "shapes", modelVersion: "1" });
    expect(response.outputs).toMatchObject([
      { name: "scores", datatype: "BYTES", shape: [1n, 2n] },
    ]);
    expect(Buffer.from(response.rawOutputContents[0] ?? []).toString()).toMatch(
      /0\.9\d{5}:14:star/,
    );
  });

  test("describes the server and its models", async () => {
    const { extensions } = await client().serverMetadata({});
    const { config } = await client().modelConfig({ name: "shapes" });

    expect(extensions).toContain("classification");
    expect(await client().serverReady({})).toMatchObject({ ready: true });
    expect(await client().modelReady({ name: "shapes", version: "1" })).toMatchObject({
      ready: true,
    });
    expect(await client().modelReady({ name: "nope" })).toMatchObject({ ready: false });
    expect(await client().modelMetadata({ name: "shapes" })).toMatchObject({
      versions: ["1"],
      inputs: [{ name: "images", datatype: "BYTES", shape: [-1n] }],
    });
    expect(config).toMatchObject({
      maxBatchSize: 0,
      input: [{ name: "images", dataType: DataType.TYPE_STRING, dims: [-1n] }],
    });
  });
});

test("a stream answers in the order of its messages, failures among them", async () => {
  async function* requests() {
    for (let index = 0; index < 10; index += 1) yield pictureRequest(`star ${index}`, "star");
    yield { ...pictureRequest("lost", "star"), modelName: "nope" };
    yield pictureRequest("heart", "heart");
  }

  const answers: { id: string | undefined; error: string }[] = [];
  for await (const { inferResponse, errorMessage } of grpc().modelStreamInfer(requests())) {
    answers.push({ id: inferResponse?.id, error: errorMessage });
  }

  const ids = Array.from({ length: 10 }, (_, index) => `star ${index}`);
  expect(answers.map(({ id }) => id)).toEqual([...ids, "lost", "heart"]);
  expect(answers[10]?.error).toContain("nope");
  expect(answers[11]?.error).toBe("");
});

test("statistics count what the model has answered, and what failed", async () => {
  const counts = async () => {
    const { modelStats } = await grpc().modelStatistics({ name: "shapes" });
    const { inferenceStats } = modelStats[0] ?? {};
    return {
      success: Number(inferenceStats?.success?.count),
      fail: Number(inferenceStats?.fail?.count),
      inferNs: Number(inferenceStats?.computeInfer?.ns),
    };
  };
  const before = await counts();
  await grpc().modelInfer(pictureRequest("a", "star"));
  await expect(
    grpc().modelInfer({ ...pictureRequest("b", "star"), rawInputContents: [new Uint8Array(3)] }),
  ).rejects.toThrow();
  const after = await counts();

  expect(after.success - before.success).toBe(1);
  expect(after.fail - before.fail).toBe(1);
  expect(after.inferNs).toBeGreaterThan(before.inferNs);
  const rest = await fetch(`${running.url}/v2/models/stats`);
  expect(await rest.json()).toMatchObject({
    model_stats: [
      { name: "shapes", version: "1", inference_stats: { success: { count: after.success } } },
    ],
  });
  await expect(grpc().modelStatistics({ name: "nope" })).rejects.toThrow("nope");
});

test.each([
  { method: "RepositoryModelUnload", text: "not loaded or unloaded" },
  { method: "CudaSharedMemoryRegister", text: "no shared memory" },
  { method: "SystemSharedMemoryStatus", text: "no shared memory" },
  { method: "LogSettings", text: "settings of traces and logs" },
  { method: "Nope", text: "unknown method" },
])("$method is not supported, and the text says why", async ({ method, text }) => {
  const answer = await postRpc(running.url, `/inference.GRPCInferenceService/${method}`, {
    headers: { "content-type": "application/grpc" },
    body: framed(new Uint8Array()),
  });

  expect(answer.headers).toMatchObject({ ":status": 200, "grpc-status": "12" });
  expect(answer.headers["grpc-message"]).toContain(text);
});

test.each([
  { what: "truncated", message: [0x2a, 0x05, 0x01] },
  { what: "a field number 0", message: [0x00, 0x01] },
  { what: "an input that is cut short", message: [0x2a, 0x02, 0x0a, 0x7f] },
])("a message that is malformed ($what) is INVALID_ARGUMENT", async ({ message }) => {
  const answer = await postRpc(running.url, "/inference.GRPCInferenceService/ModelInfer", {
    headers: { "content-type": "application/grpc" },
    body: framed(Uint8Array.from(message)),
  });

  expect({ ...answer.headers, ...answer.trailers }).toMatchObject({ "grpc-status": "3" });
  expect(failureOf(answer)).toContain("invalid-request");
});
