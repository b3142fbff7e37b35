import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { createGateway, type Gateway } from "@tensorgate/gateway";
import { type ModelServer, readModelConfig, startModelServer } from "@tensorgate/model-server";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { oldClients } from "../support/old-clients.ts";
import { hasPeers, runPeer, setUpPeer } from "../support/peers.ts";
import { hasPython, pythonWith } from "../support/python.ts";
import { servingModelsConfig, writeServingModels } from "../support/serving-models.ts";

// The model server, alone and behind a gateway, asked by clients that others wrote.

const run = promisify(execFile);
test.skipIf(hasPython)("the model server is skipped: there is no Python", () => {});

const script = fileURLToPath(new URL("./serving_calls.py", import.meta.url));
const proto = fileURLToPath(new URL("../../proto", import.meta.url));
const setUpMs = 900_000;

describe.runIf(hasPython)("the model server", () => {
  const stack = new AsyncDisposableStack();
  let server: ModelServer;
  let gateway: Gateway;
  let python: string | undefined;
  const stubs = mkdtempSync(join(tmpdir(), "tensorgate-stubs-"));
  stack.defer(() => rmSync(stubs, { recursive: true }));

  beforeAll(async () => {
    python = pythonWith(["grpcio", "grpcio-tools", "requests"]);
    const models = mkdtempSync(join(tmpdir(), "tensorgate-serving-"));
    stack.defer(() => rmSync(models, { recursive: true }));
    writeServingModels(models);
    const listed = readModelConfig(servingModelsConfig(models));
    server = await startModelServer({
      port: 0,
      restPort: 0,
      models: listed,
      allowUnavailableLabels: true,
    });
    stack.defer(() => server.close(0));
    gateway = createGateway({
      region: "westeurope",
      listen: { port: 0 },
      pools: listed.map(({ name }) => ({
        model: name,
        region: "westeurope",
        replicas: [`127.0.0.1:${server.port}`],
      })),
    });
    stack.defer(() => gateway.close(1_000));
    await gateway.listen();
    await gateway.ready();
    if (!python) return;
    await run(python, [
      ...["-m", "grpc_tools.protoc", "-I", proto, `--python_out=${stubs}`],
      ...[`--grpc_python_out=${stubs}`, ...protoFiles.map((file) => join(proto, file))],
    ]);
  }, setUpMs);
  afterAll(() => stack.disposeAsync());

  test.for([
    { name: "alone", ports: () => [server.port, server.restPort] },
    { name: "behind a gateway", ports: () => [gateway.port, gateway.port] },
  ])("answers grpcio and requests, $name", { timeout: 300_000 }, async ({ ports }, context) => {
    if (!python) return context.skip("PyPI is not here");
    const addresses = ports().map((port) => `127.0.0.1:${port}`);

    const { stdout } = await run(python, [script, stubs, ...addresses]);

    const lines = stdout.trim().split("\n");
    expect(lines.filter((line) => !line.startsWith("passed "))).toEqual([]);
    expect(lines.length).toBeGreaterThan(15);
  });

  test.runIf(hasPeers)("answers the official client", { timeout: setUpMs }, async (context) => {
    const missing =
      (await setUpPeer("tensorflow/setup.sh", ["backend"])) ??
      (await setUpPeer("tensorflow/setup.sh", ["clients"]));
    if (missing) return context.skip(missing);
    const { output } = await runPeer("tensorflow/client.sh", [
      ...["official", `127.0.0.1:${server.port}`],
    ]);

    // A call that is refused passes there, as it may be with other servers; here examples are scored.
    const refused = /"call": ?"(Classify classify|Regress|MultiInference)[^\n]*"code": ?"(?!OK)/;
    expect(
      output.split("\n").filter((line) => /"passed": ?false/.test(line) || refused.test(line)),
    ).toEqual([]);
    expect(output).toMatch(/^[1-9]\d* passed, 0 failed$/m);
  });
});

describe.runIf(hasPeers)("the model server as a container with a model on an FPGA", () => {
  test.for(oldClients)("answers $name", { timeout: setUpMs }, async (oldClient, context) => {
    const missing = await oldClient.setUp();
    if (missing) return context.skip(missing);
    const models = { families: ["resnet-50"] as const };
    const server = await startModelServer({ port: 0, threads: 2, models, dialect: "azure-fpga" });
    try {
      const OUTPUT = "classifier_1/resnet_v1_50/predictions/Softmax:0";
      const output = await oldClient.run([`127.0.0.1:${server.port}`], { OUTPUT });

      const failed = output
        .split("\n")
        .filter(
          (line) =>
            /"passed": ?false/.test(line) &&
            !oldClient.exceptions.some((each) => line.includes(each)),
        );
      expect(failed).toEqual([]);
      expect(output).toMatch(/^[1-9]\d* passed, \d+ failed$/m);
    } finally {
      await server.close(0);
    }
  });
});

const protoFiles = [
  ...["tensorflow/example.proto", "tensorflow/framework.proto", "tensorflow/error_codes.proto"],
  ...[
    "classification",
    "get_model_metadata",
    "get_model_status",
    "inference",
    "input",
    "model",
    "model_management",
    "model_server_config",
    "model_service",
    "predict",
    "prediction_service",
    "regression",
    "status",
  ].map((name) => `tensorflow_serving/${name}.proto`),
];
