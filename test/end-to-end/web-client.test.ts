import { readFileSync } from "node:fs";
import { type ClientError, ScoringClient } from "@tensorgate/web-client";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type RunningGateway, startBundledGateway } from "../support/running-gateway.ts";

let running: RunningGateway;
let client: ScoringClient;
beforeAll(async () => {
  running = await startBundledGateway();
  client = new ScoringClient({ baseUrl: running.url });
});
afterAll(() => running[Symbol.asyncDispose]());

const picture = (name: string) =>
  new Blob([readFileSync(new URL(`../../examples/pictures/${name}.jpg`, import.meta.url))]);

test("labels, boxes, features and tensors of a real gateway", async () => {
  const labels = await client.classify("shapes", picture("star"), { topK: 1 });
  expect(labels).toMatchObject([{ label: "star" }]);
  expect(labels.meta).toMatchObject({ model: "shapes", version: "1", region: "westeurope" });

  const { boxes } = await client.detect("shapes-detector", picture("scene-2"));
  expect(boxes.map(({ label }) => label).toSorted()).toEqual(["cross", "heart"]);

  const features = await client.embed("shapes", picture("moon"));
  const bytes = new Uint8Array(await picture("moon").arrayBuffer());
  const images = { data: [bytes], shape: [1] };
  const outputs = await client.predict("shapes", { images }, { outputs: ["features"] });
  expect(outputs["features"]?.data).toEqual(Float32Array.from(features));
});

test("the catalog tells what size is enough", async () => {
  const models = await client.models.list();
  expect(models.map(({ name, input }) => [name, input.width, input.height])).toEqual([
    ["shapes", 224, 224],
    ["shapes-detector", 300, 300],
  ]);
  expect((await client.models.get("shapes")).labels).toContain("star");
  expect(await client.health()).toEqual({ isReady: true });
});

test.each([
  {
    what: "an unknown model",
    ask: () => client.classify("shape", picture("star")),
    error: { name: "UnknownModelError", status: 404 },
  },
  {
    what: "tensors of an unknown model",
    ask: () => client.predict("shape", { x: { data: [1], shape: [1] } }),
    error: { name: "UnknownModelError", status: 404 },
  },
  {
    what: "what is no picture",
    ask: () => client.classify("shapes", new Blob(["hello"])),
    error: { name: "UnsupportedMediaError", status: 415 },
  },
  {
    what: "a wrong version",
    ask: () => client.classify("shapes", picture("star"), { version: 9 }),
    error: { name: "UnknownVersionError" },
  },
])("$what fails with a hint", async ({ ask, error }) => {
  const thrown = (await ask().catch((each: unknown) => each)) as ClientError;
  expect(thrown).toMatchObject({ ...error, attempts: 1, retryable: false });
  expect(thrown.hint).toBeTruthy();
});
