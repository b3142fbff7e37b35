import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  credentials,
  type GrpcObject,
  loadPackageDefinition,
  type ServiceClientConstructor,
} from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { createRegistryClient } from "@tensorgate/client/registry";
import { testConstant, testNode, writeSavedModel } from "@tensorgate/savedmodel/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { publish } from "../../docs/snippets/registry/publish.ts";
import { tensorgate } from "../support/command-process.ts";

// The registry on the admin ports of the commands, as docs/registry.md shows it.

const folder = mkdtempSync(join(tmpdir(), "tensorgate-registry-admin-"));
const incoming = join(folder, "incoming");
const half = join(incoming, "half");

beforeAll(() => {
  const info = (graphName: string) => ({ dtype: "FP32", shape: [-1], graphName }) as const;
  writeSavedModel(half, {
    nodes: [
      testNode("Placeholder", "x", [], { dtype: { type: "FP32" }, shape: { shape: [-1] } }),
      testConstant("half", 0.5),
      testNode("Mul", "y", ["x", "half"], { T: { type: "FP32" } }),
    ],
    signatures: {
      serving_default: {
        inputs: new Map([["x", info("x:0")]]),
        outputs: new Map([["y", info("y:0")]]),
      },
    },
  });
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Calls a method by gRPC's own library, which knows of it by the `.proto` file alone. */
function called(adminUrl: string, method: string, request: object): Promise<unknown> {
  const includeDirs = [fileURLToPath(new URL("../../proto", import.meta.url))];
  const definition = loadSync("tensorgate/registry/v1/registry.proto", { includeDirs });
  const { tensorgate: loaded } = loadPackageDefinition(definition);
  const { registry } = loaded as { readonly registry: { readonly v1: GrpcObject } };
  const Service = registry.v1["RegistryService"] as ServiceClientConstructor;
  const client = new Service(new URL(adminUrl).host, credentials.createInsecure());
  return new Promise((resolve, reject) => {
    client[method]?.(request, (error: Error | null, answer: unknown) => {
      client.close();
      if (error) reject(error);
      else resolve(answer);
    });
  });
}

function start(args: readonly string[]) {
  const { child, said } = tensorgate(args);
  const ended = once(child, "exit");
  return {
    said,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGINT");
      await ended;
    },
  };
}

test("a program publishes a model by gRPC at a model server, which serves it", async () => {
  const registry = join(folder, "registry");
  mkdirSync(registry);
  const flags = ["--registry", registry, "--register-from", incoming, "--admin-port", "0"];
  await using server = start(["model-server", "--port", "0", ...flags]);
  const [, adminUrl = ""] = await server.said.matching(/admin: (http:\S+)/);

  expect(await publish(adminUrl, half)).toBe("champion is version 1");

  await server.said.matching(/loaded half, version 1/);
  using client = createRegistryClient({ adminUrl });
  await expect(client.getVersion({ name: "half", version: "best" })).rejects.toMatchObject({
    reason: "unknown-version",
    message: 'half has no alias "best"; aliases: champion',
  });
  expect(await called(adminUrl, "listJobs", {})).toMatchObject({
    jobs: [{ kind: "convert", reference: "half@1", state: "done" }],
  });
  await expect(called(adminUrl, "deleteModel", { name: "half" })).rejects.toMatchObject({
    code: 9,
    details: expect.stringContaining("half"),
  });
}, 60_000);

test("with workers the first process has the registry", async () => {
  const registry = join(folder, "of-workers");
  const file = join(folder, "tensorgate.yaml");
  writeFileSync(
    file,
    "region: here\npools: [{ model: m, region: here, replicas: ['127.0.0.1:1'] }]\n",
  );
  const ports = ["--port", "0", "--admin-port", "0", "--workers", "2"];
  const flags = ["--registry", registry, "--register-from", incoming];
  await using gateway = start(["serve", "--config", file, ...ports, ...flags]);
  const [, adminUrl = ""] = await gateway.said.matching(/metrics: (http:\S+)\/metrics/);
  using client = createRegistryClient({ adminUrl });

  const { version } = await client.registerVersion({ name: "half", from: half });

  expect(version).toMatchObject({ name: "half", version: 1n });
  const listed = await fetch(`${adminUrl}/registry/models`);
  expect(await listed.json()).toMatchObject({ models: [{ name: "half", versions: ["1"] }] });
}, 60_000);
