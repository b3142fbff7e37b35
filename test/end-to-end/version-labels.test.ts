import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConnectError } from "@connectrpc/connect";
import { ScoringClient } from "@tensorgate/client";
import { openServingServices } from "@tensorgate/client/tensorflow-serving";
import { manualClock } from "@tensorgate/core/testing";
import { startModelServer } from "@tensorgate/model-server";
import { ErrorInfoSchema } from "@tensorgate/proto/google/rpc/error_details";
import { openRegistry } from "@tensorgate/registry";
import { afterAll, expect, test } from "vitest";
import { createGraphBuilder } from "../../packages/model-server/src/onnx/graph-builder.ts";
import { startGateway } from "../support/running-gateway.ts";

const folder = mkdtempSync(join(tmpdir(), "tensorgate-version-labels-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** y = x + summand. */
function sum(summand: number): Uint8Array {
  const graph = createGraphBuilder("sum");
  graph.input("x", ["n"]);
  graph.op("Add", ["x", graph.scalar(summand)], {}, "y");
  graph.output("y", ["n"]);
  return graph.finish();
}

test("an alias of a registry is a version label through the gateway, and moves", async () => {
  const registry = openRegistry(folder);
  for (const summand of [10, 20]) {
    const content = { kind: "bytes", bytes: sum(summand) } as const;
    await registry.register("m", { from: [{ path: "model.onnx", content }] });
  }
  await registry.setAlias("m", "champion", 1n);
  const clock = manualClock();
  const server = await startModelServer(
    { port: 0, models: { registry: folder, serve: ["m@champion", "m@2"] }, folderPollMs: 1_000 },
    clock,
  );
  await using running = await startGateway(
    {},
    {
      models: [{ name: "m" }],
      pools: [{ model: "m", region: "westeurope", replicas: [`127.0.0.1:${server.port}`] }],
    },
  );
  const predicted = async (path: string) => {
    const response = await fetch(`${running.url}/v1/models/m${path}:predict`, {
      method: "POST",
      body: '{"instances": [1]}',
    });
    return [response.status, response.headers.get("x-tensorgate-model"), await response.json()];
  };
  expect(await predicted("/labels/champion")).toMatchObject([200, /1/, { predictions: [11] }]);

  await registry.setAlias("m", "champion", 2n);
  clock.advance(1_000);
  await expect
    .poll(() => predicted("/labels/champion"))
    .toMatchObject([200, /2/, { predictions: [21] }]);
  // The original's own words, for its clients.
  expect(await predicted("/labels/other")).toEqual([
    400,
    null,
    { error: "Unrecognized servable version label: other" },
  ]);
  const services = openServingServices(running.url);
  const call = { modelSpec: { name: "m", versionChoice: { case: "versionLabel", value: "x" } } };
  const answered: unknown = await services.prediction
    .predict(call as never)
    .catch(ConnectError.from);
  expect(answered).toMatchObject({ rawMessage: "Unrecognized servable version label: x" });
  expect((answered as ConnectError).findDetails(ErrorInfoSchema)).toMatchObject([
    { metadata: { hint: "its labels: champion" } },
  ]);
  services.close();
  const inference = await fetch(`${running.url}/v2/models/m/versions/other/infer`, {
    method: "POST",
    body: '{"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [1]}]}',
  });
  expect(inference.status).toBe(404);
  expect(await inference.json()).toMatchObject({
    error: 'model "m" has no version label "other"',
    hint: "its labels: champion",
  });
  await using client = new ScoringClient({ baseUrl: running.url, maxRetries: 0 });
  await expect(
    client.predict("m", { x: { shape: [1], data: Float32Array.of(1) } }, { versionLabel: "other" }),
  ).rejects.toMatchObject({
    reason: "unknown-version",
    message: expect.stringContaining('model "m" has no version label "other"'),
    hint: "its labels: champion",
  });
  await server.close(0);
});
