import { systemClockAndRandom } from "@tensorgate/gateway";
import {
  bundledModelsDirectory,
  type ModelServer,
  startModelServer,
} from "@tensorgate/model-server";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startDescribed } from "../../docs/snippets/gateway/described.ts";
import { readManifest } from "../../packages/gateway/src/upstream/read-manifest.ts";
import { samplePicture } from "../support/pictures.ts";

let server: ModelServer;
beforeAll(async () => {
  server = await startModelServer({ port: 0, models: { directory: bundledModelsDirectory } });
});
afterAll(() => server.close());

test("a gateway that a program builds answers with the labels of its model server", async () => {
  const { gateway, close } = await startDescribed({
    region: "here",
    listen: { port: 0 },
    pools: [{ model: "shapes", region: "here", replicas: [`127.0.0.1:${server.port}`] }],
  });
  await gateway.ready();

  const response = await fetch(`${gateway.url}/v1/classify/shapes?topK=1`, {
    method: "POST",
    headers: { "content-type": "image/jpeg" },
    body: new Uint8Array(samplePicture("star")),
  });

  expect(await response.json()).toMatchObject({ results: [{ labels: [{ label: "star" }] }] });
  await close();
});

test("a pod of Kubernetes that is ready is asked for its manifest", async () => {
  const asked: unknown[] = [];
  const kubernetes = (readyIps: readonly string[]) => ({
    list: async (service: object) => {
      asked.push(service);
      return {
        slices: [{ name: "a", ready: readyIps.map((ip) => ({ ip })) }],
        resourceVersion: "1",
      };
    },
    watch: () => Promise.reject(new Error("nothing is watched")),
  });
  const { clock } = systemClockAndRandom;
  const address = `kubernetes:///shapes.models:${server.port}`;
  const request = { address, model: "shapes", timeoutMs: 5_000, clock };

  const text = await readManifest(request, kubernetes(["127.0.0.1"]));

  expect(JSON.parse(text ?? "").labels).toContain("star");
  expect(asked).toEqual([expect.objectContaining({ name: "shapes", namespace: "models" })]);
  await expect(readManifest(request, kubernetes([]))).rejects.toThrow(
    `no pod of ${address} is ready`,
  );
});
