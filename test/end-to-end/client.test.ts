import { type ClientError, ScoringClient } from "@tensorgate/client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RunningGateway, startBundledGateway } from "../support/running-gateway.ts";

let running: RunningGateway;
beforeAll(async () => {
  running = await startBundledGateway();
});
afterAll(() => running[Symbol.asyncDispose]());

const picture = (name: string) => new URL(`../../examples/pictures/${name}.jpg`, import.meta.url);

describe.each(["connect", "grpc"] as const)("a client over %s", (transport) => {
  let client: ScoringClient;
  beforeAll(() => {
    client = new ScoringClient({ baseUrl: running.url, transport });
  });
  afterAll(() => client.close());

  test("classifies as REST does", async () => {
    const labels = await client.classify("shapes", picture("star"), { topK: 2 });
    const response = await fetch(`${running.url}/v1/classify/shapes?topK=2`, {
      method: "POST",
      body: await (await import("node:fs/promises")).readFile(picture("star")),
    });

    const { results } = (await response.json()) as { results: { labels: object[] }[] };
    expect([...labels]).toEqual(results[0]?.labels);
    expect(labels.meta).toMatchObject({ model: "shapes", version: "1", region: "westeurope" });
    expect(labels.meta.timing["upstream"]).toBeGreaterThan(0);
  });

  test("keeps a deadline that is shorter than an attempt may take", async () => {
    const [best] = await client.classify("shapes", picture("star"), { deadlineMs: 9_000 });

    expect(best?.label).toBe("star");
  });

  test("detects boxes in pixels", async () => {
    const { boxes, image, meta } = await client.detect("shapes-detector", picture("scene-2"));

    expect(boxes.map(({ label }) => label).toSorted()).toEqual(["cross", "heart"]);
    expect(image).toEqual({ width: 480, height: 480 });
    expect(boxes[0]?.box.width).toBeCloseTo((boxes[0]?.normalized.width ?? 0) * 480, 2);
    expect(meta.model).toBe("shapes-detector");
  });

  test("embeds, and scores tensors", async () => {
    const features = await client.embed("shapes", picture("moon"));
    const bytes = await (await import("node:fs/promises")).readFile(picture("moon"));
    const outputs = await client.predict(
      "shapes",
      { images: { data: [bytes], shape: [1] } },
      { outputs: ["features"] },
    );

    expect(features).toHaveLength(96);
    expect(outputs["features"]).toMatchObject({ dtype: "FP32", shape: [1, 96] });
    expect(outputs["features"]?.data).toEqual(Float32Array.from(features));
    expect(Object.keys(outputs)).toEqual(["features"]);
  });

  test("lists models, and knows whether the gateway is ready", async () => {
    const models = await client.models.list();
    const shapes = await client.models.get("shapes");

    expect(models.map(({ name }) => name)).toEqual(["shapes", "shapes-detector"]);
    expect(shapes).toMatchObject({ task: "classify", versions: ["1"], weights: "trained" });
    expect(shapes.labels).toContain("star");
    expect(await client.health()).toEqual({ isReady: true });
  });

  test("tells an unknown model with the nearest names", async () => {
    const error = (await client
      .classify("shape", picture("star"))
      .catch((thrown: unknown) => thrown)) as ClientError;

    expect(error).toMatchObject({ name: "UnknownModelError", attempts: 1, retryable: false });
    expect(error.status).toBe(transport === "connect" ? 404 : undefined);
    expect(error.message).toMatch(/^classify\(shape\): unknown model "shape"\. Hint: did you mean/);
  });

  test("scores a folder, a few at a time", async () => {
    const names = ["star", "heart", "moon", "drop", "plus", "cross"];
    const found = new Map<string, string>();
    const inputs = names.map(picture);

    for await (const outcome of client.classifyAll("shapes", inputs, { concurrency: 3, topK: 1 })) {
      if (outcome.ok) found.set(outcome.input.href, outcome.value[0]?.label ?? "");
    }

    expect(names.map((name) => found.get(picture(name).href))).toEqual(names);
  });
});

test("an unreachable gateway is reported with a hint", async () => {
  await using client = new ScoringClient({ baseUrl: "http://127.0.0.1:1", maxRetries: 0 });

  await expect(client.classify("shapes", picture("star"))).rejects.toMatchObject({
    reason: "upstream-failed",
    hint: expect.stringContaining("check the URL"),
  });
});
