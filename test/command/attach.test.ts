import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import net, { type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { manualClock } from "@tensorgate/core/testing";
import { inspectBackend, systemClockAndRandom } from "@tensorgate/gateway";
import {
  bundledModelsDirectory,
  type ModelServer,
  startModelServer,
} from "@tensorgate/model-server";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runAttach } from "../../packages/cli/src/commands/attach.ts";
import { createSignals } from "../../packages/cli/src/service/signals.ts";
import { startFakeReplica } from "../support/fake-replica.ts";
import { classScores } from "../support/family-answers.ts";
import { startGateway } from "../support/running-gateway.ts";
import { startScriptedInference } from "../support/scripted-inference.ts";

let server: ModelServer;
const folder = mkdtempSync(join(tmpdir(), "tensorgate-attach-"));
const { clock } = systemClockAndRandom;
const signals = createSignals();
signals.release();

beforeAll(async () => {
  server = await startModelServer({ port: 0, models: { directory: bundledModelsDirectory } });
});
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

test("a running server becomes a configuration that serves", async () => {
  const output = join(folder, "shapes.yaml");
  const told: string[] = [];
  const write = process.stderr.write;
  process.stderr.write = (text: string | Uint8Array) => told.push(String(text)) > 0;
  try {
    const options = { model: "shapes", region: "local", port: 0, adminPort: 0, timeout: 10_000 };
    const attach = () => runAttach(`127.0.0.1:${server.port}`, { ...options, output }, signals);
    await attach();
    await expect(attach()).rejects.toThrow("already exists");
  } finally {
    process.stderr.write = write;
  }

  expect(told.join("")).toMatch(/the test picture is "circle", score/);
  expect(readFileSync(output, "utf8")).toContain("output: { scores: { holds: probabilities }");
});

test("a model without a description reports its signature and is scored by tensors", async () => {
  const address = `127.0.0.1:${server.port}`;
  const pools = [{ model: "shapes", region: "westeurope", replicas: [address] }];
  await using gateway = await startGateway({}, { models: undefined as never, pools });

  const catalog = await fetch(`${gateway.url}/v1/catalog/shapes`);

  expect(await catalog.json()).toMatchObject({
    task: "predict",
    input: { kind: "tensors", tensors: [{ name: "images", dtype: "BYTES", shape: [-1] }] },
    outputs: [
      { name: "scores", holds: "tensor", dtype: "FP32", shape: [-1, 16] },
      { name: "features", holds: "tensor", dtype: "FP32", shape: [-1, 96] },
    ],
  });
});

test("a preview's container is distinguished from the later one by the name that it takes", async () => {
  await using replica = await startFakeReplica({
    isPredictOnly: true,
    answer: ({ inputNames }) =>
      inputNames[0] === "images"
        ? new Map([["output_alias", classScores(1000, { 1: 1 })]])
        : { code: 2, message: "Object reference not set to an instance of an object." },
  });

  const { address } = replica;
  const found = await inspectBackend({ address, models: ["m"], timeoutMs: 5_000, clock });

  expect(found).toMatchObject({ dialect: "azure-fpga-preview", input: "images" });
});

const attaching = { region: "local", port: 0, adminPort: 0, timeout: 10_000 };
const failureOf = (target: string) =>
  runAttach(target, attaching, signals).then(
    () => "it was attached",
    (thrown: Error) => thrown.message,
  );

test("a gateway is reported as such, with its models", async () => {
  await using gateway = await startGateway({ westeurope: [`127.0.0.1:${server.port}`] });

  expect(await failureOf(new URL(gateway.url).host)).toContain(
    'it is a gateway, which serves "shapes"',
  );
});

test.each([
  { name: "a metrics port", body: "# TYPE up gauge\nup 1\n", told: "is a metrics port, not gRPC" },
  { name: "a web server", body: "<html>", told: "is an HTTP port, not gRPC" },
])("$name is told as such", async ({ body, told }) => {
  const web = createServer((_request, response) => response.end(body));
  await new Promise<void>((resolve) => web.listen(0, "127.0.0.1", resolve));
  const { port } = web.address() as AddressInfo;

  expect(await failureOf(`127.0.0.1:${port}`)).toContain(told);
  web.close();
});

test("a port that accepts connections and says nothing is reported after five seconds", async () => {
  await using silent = await startSilentServer();
  const time = manualClock();
  const question = inspectBackend({
    address: silent.address,
    models: ["shapes"],
    timeoutMs: 30_000,
    clock: time,
  });
  const failure = question.catch((thrown: unknown) => thrown);
  await silent.asked;

  time.advance(5_000);

  expect(await failure).toMatchObject({
    message: "the port accepts connections and does not answer",
    hint: expect.stringContaining("gRPC port"),
  });
});

test("the HTTP port of a server of the Open Inference Protocol is reported as one", async () => {
  const body = JSON.stringify({ name: "triton", version: "2.51.0", extensions: [] });
  const web = createServer((_request, response) => response.end(body));
  await new Promise<void>((resolve) => web.listen(0, "127.0.0.1", resolve));
  const { port } = web.address() as AddressInfo;

  expect(await failureOf(`127.0.0.1:${port}`)).toContain(
    "the HTTP port of triton 2.51.0; the gateway calls its gRPC port, which is usually 8001",
  );
  web.close();
});

describe("a server of the Open Inference Protocol", () => {
  const script = {
    model: "nets",
    metadata: {
      name: "nets",
      versions: ["4"],
      inputs: [{ name: "pixels", datatype: "UINT8", shape: ["-1", "3", "8", "8"] }],
      outputs: [{ name: "scores", datatype: "FP32", shape: ["-1", "2"] }],
    },
    replies: {
      ModelInfer: [
        {
          model_name: "nets",
          outputs: [{ name: "scores", datatype: "FP32", shape: ["1", "2"] }],
          raw_output_contents: [Buffer.from(Float32Array.of(0.25, 0.75).buffer).toString("base64")],
        },
      ],
      RepositoryIndex: [{ models: [{ name: "nets", version: "4", state: "READY" }] }],
    },
  };

  test("is attached by its index, with the size and the layout of its pixels", async () => {
    await using inference = await startScriptedInference(script);
    const output = join(folder, "nets.yaml");

    await runAttach(
      inference.address,
      { region: "local", port: 0, adminPort: 0, timeout: 10_000, output },
      signals,
    );

    const text = readFileSync(output, "utf8");
    expect(text).toContain("dialect: open-inference");
    expect(text).toContain(
      "{ tensor: pixels, kind: pixels, heightPx: 8, widthPx: 8, layout: nchw, dtype: UINT8 }",
    );
  });

  test("says which models it has", async () => {
    await using inference = await startScriptedInference(script);
    const { address } = inference;

    const found = inspectBackend({ address, models: ["other"], timeoutMs: 5_000, clock });

    await expect(found).rejects.toMatchObject({ hint: "it has nets; set --model" });
  });
});

test("without a usual name the error lists the models of the embedded server", async () => {
  const models = join(folder, "models");
  cpSync(join(bundledModelsDirectory, "shapes"), join(models, "signs"), { recursive: true });
  const signs = await startModelServer({ port: 0, models: { directory: models } });
  try {
    await expect(runAttach(`127.0.0.1:${signs.port}`, attaching, signals)).rejects.toThrow(
      'set --model; it has "signs"',
    );
  } finally {
    await signs.close();
  }
});

test("a stock server that is attached as a container is answered with what it said", async () => {
  const asked = { address: `127.0.0.1:${server.port}`, models: ["m"], timeoutMs: 5_000, clock };

  await expect(inspectBackend({ ...asked, dialect: "azure-fpga" })).rejects.toThrow(
    /; it answers: \w/,
  );
});

test("our own container is attached by its name of the picture", async () => {
  await using container = await startFakeReplica({
    isPredictOnly: true,
    answer: ({ inputNames }) =>
      inputNames[0] === "images:0"
        ? new Map([["scores:0", classScores(16, { 1: 1 })]])
        : { code: 2, message: "Object reference not set to an instance of an object." },
  });
  const { address } = container;

  const asked = { address, models: ["m"], timeoutMs: 5_000, clock };
  const found = await inspectBackend({ ...asked, dialect: "azure-fpga" });

  expect(found).toMatchObject({ dialect: "azure-fpga", input: "images:0" });
});

/** A server that reads and never writes. */
async function startSilentServer() {
  const asked = Promise.withResolvers<void>();
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket.on("error", () => {}));
    socket.on("data", () => asked.resolve());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked: asked.promise,
    [Symbol.asyncDispose]: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
