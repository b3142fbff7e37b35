import { bytesTensor, float32Tensor, type Tensor } from "@tensorgate/core";
import { aCall, aRequest, manualClock } from "@tensorgate/core/testing";
import { expect, test } from "vitest";
import {
  type InferenceScript,
  startScriptedInference,
} from "../../../../../test/support/scripted-inference.ts";
import { channelDefaults } from "../options.ts";
import { createUnaryChannel } from "../transport/unary-channel.ts";
import { openInference } from "./open-inference.ts";

const metadata = {
  name: "m",
  versions: ["2", "3"],
  platform: "p",
  inputs: [{ name: "x", datatype: "FP32", shape: ["-1", "2"] }],
  outputs: [{ name: "y", datatype: "FP32", shape: ["-1"] }],
};
const scored = {
  model_name: "m",
  model_version: "3",
  outputs: [{ name: "y", datatype: "FP32", shape: ["1"] }],
  raw_output_contents: ["AACAPw=="],
};

async function start(script: Partial<InferenceScript> = {}) {
  const server = await startScriptedInference({
    model: "m",
    metadata,
    replies: { ModelInfer: [scored] },
    ...script,
  });
  const clock = manualClock();
  const channel = createUnaryChannel({
    address: server.address,
    credentials: { scheme: "http", read: () => ({ tls: {}, headers: {} }) },
    settings: channelDefaults,
    clock,
  });
  const replica = openInference.connect(channel, { region: "r", isExclusive: false, clock });
  return {
    server,
    replica,
    [Symbol.asyncDispose]: async () => {
      await channel.close();
      await server[Symbol.asyncDispose]();
    },
  };
}

const x = float32Tensor([1, 2], Float32Array.of(1, 2));
const requestOf = (inputs: Readonly<Record<string, Tensor>>, more: object = {}) => ({
  ...aRequest,
  modelSpec: { name: "m" },
  model: { ...aRequest.model, name: "m" },
  inputs: new Map(Object.entries(inputs)),
  outputFilter: [],
  ...more,
});

test("a probe reports versions, and metadata a signature", async () => {
  await using running = await start();
  const { replica } = running;

  expect(await replica.probe("m", aCall())).toEqual({ isReady: true, versions: [2n, 3n] });
  const { model, signatures } = await replica.modelMetadata({ name: "m" }, aCall());
  expect(model).toEqual({ name: "m", version: 3n });
  expect(signatures.get("serving_default")?.inputs).toEqual(
    new Map([["x", { dtype: "FP32", shape: [-1, 2] }]]),
  );
});

test.each([
  { what: "says so", reply: { ready: false } },
  { what: "says UNKNOWN, as MLServer", reply: { status: { code: "UNKNOWN", message: "none" } } },
])("a model is not ready where the server $what", async ({ reply }) => {
  await using running = await start({ replies: { ModelReady: [reply] } });

  expect(await running.replica.probe("m", aCall())).toMatchObject({ isReady: false });
});

test.each([
  { what: "that fail", failed: { status: { code: "INTERNAL", message: "a bug" } } },
  { what: "that cannot be read", failed: { bytes_b64: "////" } },
])("with metadata $what a model is ready, and requests are sent unchecked", async ({ failed }) => {
  await using running = await start({
    replies: { ModelMetadata: [failed], ModelInfer: [scored] },
  });
  const { replica } = running;

  expect(await replica.probe("m", aCall())).toMatchObject({
    isReady: true,
    hasUnknownVersions: true,
  });
  const { outputs } = await replica.score(requestOf({ other: x }), aCall());
  expect([...outputs.keys()]).toEqual(["y"]);
});

const three = float32Tensor([1, 3], new Float32Array(3));
test.each([
  { what: "another name", inputs: { z: x }, message: 'input "x" is missing' },
  { what: "one more input", inputs: { x, z: x }, message: 'the model has no input "z"' },
  {
    what: "another datatype",
    inputs: { x: bytesTensor([1], [new Uint8Array(1)]) },
    message: 'input "x" has the datatype BYTES; the model takes FP32',
  },
  {
    what: "another shape",
    inputs: { x: three },
    message: 'input "x" has the shape [1,3]; the model takes [-1,2]',
  },
  {
    what: "an unknown output",
    inputs: { x },
    more: { outputFilter: ["z"] },
    message: 'the model has no output "z"',
  },
  {
    what: "a signature",
    inputs: { x },
    more: { modelSpec: { name: "m", signatureName: "other" } },
    message: 'model "m" has no signature "other"',
  },
])("a request with $what is refused, and not sent", async ({ inputs, more, message }) => {
  await using running = await start();
  const { replica, server } = running;
  await replica.probe("m", aCall());

  await expect(replica.score(requestOf(inputs, more), aCall())).rejects.toMatchObject({
    reason: "invalid-request",
    message,
  });
  expect(server.calls.map(({ method }) => method)).not.toContain("ModelInfer");
});

test("a version that the server does not list is unknown, and not asked for", async () => {
  await using running = await start();
  const { replica, server } = running;
  await replica.probe("m", aCall());
  const modelSpec = { name: "m", version: 9n };

  await expect(replica.score(requestOf({ x }, { modelSpec }), aCall())).rejects.toMatchObject({
    reason: "unknown-version",
    hint: "versions: 2, 3",
  });
  await replica.score(requestOf({ x }, { modelSpec: { name: "m", version: 2n } }), aCall());
  const sent = server.calls.find(({ method }) => method === "ModelInfer");
  expect(sent?.request).toMatchObject({ model_version: "2" });
});

test("a picture gets the rank of the input, and is sent where pixels are described, if it is configured so", async () => {
  const images = (datatype: string, shape: readonly string[]) => ({
    metadata: { ...metadata, inputs: [{ name: "images", datatype, shape: [...shape] }] },
  });
  const picture = bytesTensor([1], [Uint8Array.of(1, 2, 3)]);
  const sentTo = async (script: Partial<InferenceScript>, encodedInput?: string) => {
    await using running = await start(script);
    const { replica, server } = running;
    await replica.probe("m", aCall());
    const model = { ...aRequest.model, name: "m", encodedInput };
    await replica.score(requestOf({ images: picture }, { model }), aCall());
    return server.calls.find(({ method }) => method === "ModelInfer")?.request["inputs"];
  };
  const openVino = images("FP32", ["1", "8", "8", "3"]);

  expect(await sentTo(images("BYTES", ["-1", "1"]))).toMatchObject([{ shape: ["1", "1"] }]);
  expect(await sentTo(openVino, "images")).toMatchObject([{ datatype: "BYTES", shape: ["1"] }]);
  await expect(sentTo(openVino)).rejects.toMatchObject({ reason: "invalid-request" });
});

test("a server that does not say what it is has its requests checked", async () => {
  const missing = { status: { code: "UNIMPLEMENTED", message: "" } };
  await using running = await start({ replies: { ServerMetadata: [missing] } });
  const { replica } = running;
  await replica.probe("m", aCall());

  await expect(replica.score(requestOf({ x: three }), aCall())).rejects.toMatchObject({
    reason: "invalid-request",
  });
});

test.each([
  { code: "INVALID_ARGUMENT", reason: "upstream-answered" },
  { code: "NOT_FOUND", reason: "model-not-ready" },
  { code: "FAILED_PRECONDITION", reason: "upstream-answered" },
  { code: "UNKNOWN", reason: "upstream-failed" },
  { code: "INTERNAL", reason: "upstream-failed" },
  { code: "UNAVAILABLE", reason: "upstream-failed" },
  { code: "CANCELLED", reason: "upstream-failed" },
])("$code of a server is $reason", async ({ code, reason }) => {
  const failed = { status: { code, message: "why" } };
  await using running = await start({ replies: { ModelInfer: [failed] } });

  await expect(running.replica.score(requestOf({ x }), aCall())).rejects.toMatchObject({ reason });
});

test("a response that lacks an output of the metadata is the server's fault", async () => {
  const renamed = { ...scored, outputs: [{ name: "other", datatype: "FP32", shape: ["1"] }] };
  await using running = await start({ replies: { ModelInfer: [renamed] } });
  const { replica } = running;
  await replica.probe("m", aCall());

  await expect(
    replica.score(requestOf({ x }, { outputFilter: ["y"] }), aCall()),
  ).rejects.toMatchObject({ reason: "upstream-failed" });
});

test("a server without versions answers as version 0", async () => {
  const { model_version: _, ...unversioned } = scored;
  await using running = await start({
    metadata: { ...metadata, versions: [] },
    replies: { ModelInfer: [unversioned] },
  });
  const { replica } = running;

  expect(await replica.probe("m", aCall())).toEqual({ isReady: true, versions: [] });
  expect((await replica.score(requestOf({ x }), aCall())).model.version).toBe(0n);
  expect(await replica.modelStatus({ name: "m" }, aCall())).toMatchObject({
    versions: [{ version: 0n, state: "available" }],
  });
});
