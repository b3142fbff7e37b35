import { type Client, createClient, type Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { CatalogService } from "@tensorgate/proto/tensorgate/v1/catalog";
import { ScoringService } from "@tensorgate/proto/tensorgate/v1/scoring";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { shapeClasses } from "../../packages/model-server/src/shapes/shape-classes.ts";
import { samplePicture } from "../support/pictures.ts";
import { type RunningGateway, startShapesGateway } from "../support/running-gateway.ts";

let running: RunningGateway;
beforeAll(async () => {
  running = await startShapesGateway();
});
afterAll(() => running[Symbol.asyncDispose]());

const star = samplePicture("star");

interface RestLabel {
  readonly index: number;
  readonly label: string;
  readonly score: number;
}

async function restLabels(): Promise<readonly RestLabel[]> {
  const response = await fetch(`${running.url}/v1/classify/shapes`, {
    method: "POST",
    headers: { "content-type": "image/jpeg" },
    body: star,
  });
  const body = (await response.json()) as { results: { labels: RestLabel[] }[] };
  return body.results[0]?.labels ?? [];
}

const transports: Readonly<Record<string, (baseUrl: string) => Transport>> = {
  "Connect JSON over HTTP/1.1": (baseUrl) =>
    createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: false }),
  "Connect binary over HTTP/1.1": (baseUrl) =>
    createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: true }),
  "Connect binary over HTTP/2": (baseUrl) =>
    createConnectTransport({ baseUrl, httpVersion: "2", useBinaryFormat: true }),
  "gRPC over HTTP/2": (baseUrl) => createGrpcTransport({ baseUrl }),
  "gRPC-Web over HTTP/1.1": (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1" }),
};

function scoring(name: string): Client<typeof ScoringService> {
  const make = transports[name];
  if (!make) throw new RangeError(name);
  return createClient(ScoringService, make(running.url));
}

test("REST answers star first, with where and how long in the headers", async () => {
  const response = await fetch(`${running.url}/v1/classify/shapes?topK=2`, {
    method: "POST",
    headers: { "content-type": "image/jpeg", "x-request-id": "mine" },
    body: star,
  });

  expect(response.status).toBe(200);
  expect(await response.json()).toMatchObject({
    model: { name: "shapes", version: "1" },
    region: "westeurope",
    results: [{ labels: [{ index: 14, label: "star" }, {}] }],
  });
  expect(response.headers.get("x-request-id")).toBe("mine");
  expect(response.headers.get("x-tensorgate-model")).toBe("shapes@1");
  expect(response.headers.get("x-tensorgate-region")).toBe("westeurope");
  expect(response.headers.get("server-timing")).toMatch(/^read;dur=.*upstream;dur=.*total;dur=/);
});

describe.each(Object.keys(transports))("%s", (name) => {
  test("gives the same labels and scores as REST", async () => {
    const expected = await restLabels();

    const response = await scoring(name).classify({
      modelSpec: { name: "shapes" },
      pictures: [{ id: "a", source: { case: "data", value: star } }],
    });

    expect(response.model).toMatchObject({ name: "shapes", version: 1n });
    expect(response.results[0]?.id).toBe("a");
    const { outcome } = response.results[0] ?? {};
    const labels = outcome?.case === "labels" ? outcome.value.labels : [];
    expect(labels.map(({ index, label }) => ({ index, label }))).toEqual(
      expected.map(({ index, label }) => ({ index, label })),
    );
    expect(labels.map(({ score }) => Math.fround(score))).toEqual(
      expected.map(({ score }) => Math.fround(score)),
    );
  });

  test("tells an unknown model by code and reason", async () => {
    const failed = scoring(name).classify({
      modelSpec: { name: "shape" },
      pictures: [{ source: { case: "data", value: star } }],
    });

    await expect(failed).rejects.toMatchObject({
      code: 5,
      rawMessage: 'unknown model "shape"',
      details: [{ type: "google.rpc.ErrorInfo" }],
    });
  });
});

test.each(shapeClasses)("the sample picture of %s is classified as such", async (shape) => {
  const response = await fetch(`${running.url}/v1/classify/shapes?topK=1`, {
    method: "POST",
    body: samplePicture(shape),
  });

  expect(await response.json()).toMatchObject({ results: [{ labels: [{ label: shape }] }] });
});

test("predict takes and gives tensors", async () => {
  const response = await scoring("gRPC over HTTP/2").predict({
    modelSpec: { name: "shapes" },
    inputs: {
      images: {
        dtype: "BYTES",
        shape: [1n],
        values: { case: "elements", value: { elements: [star] } },
      },
    },
    outputFilter: ["scores"],
  });

  expect(Object.keys(response.outputs)).toEqual(["scores"]);
  expect(response.outputs["scores"]).toMatchObject({ dtype: "FP32", shape: [1n, 16n] });
});

test("embed gives the features of each picture", async () => {
  const response = await fetch(`${running.url}/v1/embed/shapes`, { method: "POST", body: star });

  const { results } = (await response.json()) as { results: { features: number[] }[] };
  expect(results[0]?.features).toHaveLength(96);
});

test("a stream answers each picture, also the bad one, by its id", async () => {
  async function* pictures() {
    const modelSpec = { name: "shapes" };
    yield { modelSpec, picture: { id: "star", source: { case: "data" as const, value: star } } };
    yield { picture: { id: "bad", source: { case: "data" as const, value: new Uint8Array(9) } } };
    const value = samplePicture("heart");
    yield { picture: { id: "heart", source: { case: "data" as const, value } } };
  }

  const answers = new Map<string, string | undefined>();
  for await (const { result } of scoring("gRPC over HTTP/2").classifyStream(pictures())) {
    const { id = "", outcome } = result ?? {};
    answers.set(
      id,
      outcome?.case === "labels" ? outcome.value.labels[0]?.label : outcome?.value?.reason,
    );
  }

  expect(Object.fromEntries(answers)).toEqual({
    star: "star",
    heart: "heart",
    bad: "unsupported-media",
  });
});

test("the catalog is the same by REST and by RPC", async () => {
  const rest = (await (await fetch(`${running.url}/v1/catalog/shapes`)).json()) as {
    labels: string[];
    versions: string[];
    tasks: string[];
  };
  const client = createClient(CatalogService, createGrpcTransport({ baseUrl: running.url }));

  const { model, labels } = await client.getModel({ name: "shapes" });

  expect(labels).toEqual(rest.labels);
  expect(model?.versions.map(String)).toEqual(rest.versions);
  expect(model?.tasks).toEqual(rest.tasks);
});

test("several files of a form are scored each by itself", async () => {
  const form = new FormData();
  form.append("a", new Blob([star]), "star.jpg");
  form.append("b", new Blob(["no picture"]), "b.txt");

  const response = await fetch(`${running.url}/v1/classify/shapes?topK=1`, {
    method: "POST",
    body: form,
  });

  expect(await response.json()).toMatchObject({
    results: [
      { id: "star.jpg", labels: [{ label: "star" }] },
      { id: "b.txt", error: { reason: "unsupported-media" } },
    ],
  });
});

test("JSON with base64 is scored", async () => {
  const response = await fetch(`${running.url}/v1/classify/shapes?topK=1`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ image: { b64: Buffer.from(star).toString("base64") } }),
  });

  expect(await response.json()).toMatchObject({ results: [{ labels: [{ label: "star" }] }] });
});
