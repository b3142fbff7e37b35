import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { talkRaw } from "../../../../test/support/raw-http.ts";
import {
  servingModelsConfig,
  writeServingModels,
} from "../../../../test/support/serving-models.ts";
import { readModelConfig } from "../hosting/served-model.ts";
import { startModelServer } from "../model-server.ts";
import type { ModelServer, ModelServerOptions } from "../model-server-options.ts";
import { createObservedClock, createServingCaller } from "../testing.ts";

const folder = mkdtempSync(join(tmpdir(), "tensorgate-rest-"));
writeServingModels(folder);
const models = readModelConfig(
  servingModelsConfig(folder, ["half_plus_two", "two_versions", "multi", "my/model"]),
);
const justOne = models.slice(0, 1);
let server: ModelServer;
beforeAll(async () => {
  server = await started();
});
afterAll(async () => {
  await server.close(0);
  rmSync(folder, { recursive: true });
});

const started = (options: Partial<ModelServerOptions> = {}) =>
  startModelServer({ port: 0, restPort: 0, models, allowUnavailableLabels: true, ...options });

async function asked(path: string, init: RequestInit = {}, { restPort } = server) {
  const response = await fetch(`http://127.0.0.1:${restPort}${path}`, init);
  return { status: response.status, text: await response.text(), headers: response.headers };
}

const posted = (path: string, body: unknown) =>
  asked(path, { method: "POST", body: JSON.stringify(body) });

test.each([
  {
    path: "half_plus_two:predict",
    body: { instances: [1, 2, 5] },
    text: '{\n    "predictions": [2.5, 3.0, 4.5\n    ]\n}',
  },
  {
    path: "half_plus_two/versions/123:predict",
    body: { inputs: { x: [1] } },
    text: '{\n    "outputs": [\n        2.5\n    ]\n}',
  },
  {
    path: "two_versions/labels/a%20b:predict",
    body: { instances: [1] },
    text: '{\n    "predictions": [2.5\n    ]\n}',
  },
  {
    path: "half_plus_two:classify",
    body: { signature_name: "classify_x_to_y", examples: [{ x: 2.0001 }] },
    text: '{\n    "results": [[["", 3.00005]]\n    ]\n}',
  },
  {
    path: "half_plus_two:regress",
    body: { signature_name: "regress_x_to_y", context: { x: 2.5 }, examples: [{}, { x: 5.5 }] },
    text: '{\n    "results": [3.25, 4.75]\n}',
  },
  {
    path: "multi:predict",
    body: { signature_name: "noinputs", inputs: {} },
    status: 400,
    text: '{\n    "error": "Failed to get input map for signature: noinputs"\n}',
  },
  {
    path: "half_plus_two:predict",
    body: { signature_name: "nope", instances: [1] },
    status: 400,
    text: '{\n    "error": "Serving signature name: \\"nope\\" not found in signature def"\n}',
  },
  {
    path: "nobody:predict",
    body: { instances: [1] },
    status: 404,
    text: '{\n    "error": "Servable not found for request: Latest(nobody)"\n}',
  },
  {
    path: "two_versions/labels/nope:predict",
    body: { instances: [1] },
    status: 400,
    text: '{\n    "error": "Unrecognized servable version label: nope"\n}',
  },
])("POST $path with $body", async ({ path, body, status = 200, text }) => {
  const answer = await posted(`/v1/models/${path}`, body);

  expect(answer).toMatchObject({ status, text });
  expect(answer.headers.get("content-type")).toBe("application/json");
});

test.each([
  ["/v1/models/two_versions", ["124 AVAILABLE", "123 AVAILABLE"]],
  ["/v1/models/two_versions/versions/123", ["123 AVAILABLE"]],
  ["/v1/models/two_versions/labels/whatever", ["124 AVAILABLE", "123 AVAILABLE"]],
  ["/v1/models/my%2Fmodel", ["1 AVAILABLE"]],
])("GET %s shows states", async (path, states) => {
  const { status, text } = await asked(path);

  const { model_version_status: versions } = JSON.parse(text);
  expect(status).toBe(200);
  expect(
    versions.map((each: { version: string; state: string }) => `${each.version} ${each.state}`),
  ).toEqual(states);
});

test("metadata have the names and methods of the manifest", async () => {
  const { text } = await asked("/v1/models/half_plus_two/metadata");

  const { model_spec: spec, metadata } = JSON.parse(text);
  expect(spec).toEqual({ name: "half_plus_two", signature_name: "", version: "123" });
  expect(metadata.signature_def.signature_def.regress_x_to_y).toMatchObject({
    method_name: "tensorflow/serving/regress",
    inputs: {
      inputs: { name: "tf_example:0", dtype: "DT_STRING", tensor_shape: { unknown_rank: true } },
    },
    outputs: { outputs: { name: "y:0" } },
  });
});

test.each([
  { path: "/v1/models", error: "Missing model name in request." },
  {
    path: "/v1/models/half_plus_two/ready",
    error: "Malformed request: GET /v1/models/half_plus_two/ready",
  },
])("GET $path is $error", async ({ path, error }) => {
  expect(await asked(path)).toMatchObject({ status: 400, text: `{\n    "error": "${error}"\n}` });
});

test("a compressed body is unpacked; one that cannot be is empty", async () => {
  const zipped = gzipSync('{"instances":[1]}');
  const sent = (body: Buffer) =>
    asked("/v1/models/half_plus_two:predict", {
      method: "POST",
      headers: { "content-encoding": "gzip" },
      body: new Uint8Array(body),
    });

  expect((await sent(zipped)).text).toContain("2.5");
  expect((await sent(zipped.subarray(0, 10))).text).toContain("The document is empty");
});

test("a call takes no longer than its limit", async () => {
  const clock = createObservedClock();
  await using slow = await startModelServer(
    { port: 0, restPort: 0, models: justOne, restTimeoutMs: 50, serviceMs: 1_000 },
    clock,
  ).then((running) => ({ ...running, [Symbol.asyncDispose]: () => running.close(0) }));
  const answer = asked(
    "/v1/models/half_plus_two:predict",
    { method: "POST", body: '{"instances":[1]}' },
    slow,
  );
  await clock.pending([50, 1_000]);
  clock.advance(50);

  expect(await answer).toMatchObject({
    status: 504,
    text: '{\n    "error": "Timed out waiting for notification"\n}',
  });
});

test("pages of other origins may call if that is allowed", async () => {
  await using open = await started({ restCors: true, models: justOne }).then((running) => ({
    ...running,
    [Symbol.asyncDispose]: () => running.close(0),
  }));
  const headers = { origin: "http://example.com" };
  const path = "/v1/models/half_plus_two";

  const preflight = await asked(path, { method: "OPTIONS", headers }, open);

  expect(preflight).toMatchObject({ status: 200, text: "" });
  expect(preflight.headers.get("access-control-allow-origin")).toBe("*");
  expect((await asked(path, { headers }, open)).headers.get("access-control-allow-origin")).toBe(
    "*",
  );
  expect((await asked(path, { headers })).headers.get("access-control-allow-origin")).toBeNull();
});

test("calls are counted, of models that are there", async () => {
  await using counted = await started({ metricsPath: "/metrics", models: justOne }).then(
    (running) => ({
      ...running,
      [Symbol.asyncDispose]: () => running.close(0),
    }),
  );
  using caller = createServingCaller(counted.port);
  await caller.predict("half_plus_two", { x: [1] });
  await caller.predict("nobody", { x: [1] }).catch(() => {});
  await asked("/v1/models/half_plus_two:predict", { method: "POST", body: "{" }, counted);
  await asked("/v1/models/half_plus_two", {}, counted);

  const { text, headers } = await asked("/metrics", {}, counted);

  expect(headers.get("content-type")).toBe("text/plain");
  expect(text.split("\n").filter((line) => /request_count\{|latency_count/.test(line))).toEqual([
    ':tensorflow:serving:request_count{model_name="half_plus_two",status="OK"} 2',
    ':tensorflow:serving:request_count{model_name="",status="NOT_FOUND"} 1',
    ':tensorflow:serving:request_count{model_name="half_plus_two",status="INVALID_ARGUMENT"} 1',
    ':tensorflow:serving:request_latency_count{model_name="half_plus_two",API="Predict",entrypoint="GRPC"} 1',
    ':tensorflow:serving:request_latency_count{model_name="half_plus_two",API="",entrypoint="REST"} 1',
  ]);
  expect(await asked("/metrics?x", {}, counted)).toMatchObject({
    status: 400,
    text: "Unexpected path: /metrics?x. Should be /metrics",
  });
  expect(await asked("/metrics")).toMatchObject({ status: 404 });
});

test("other paths and methods are not handed on", async () => {
  expect(await asked("/healthz")).toMatchObject({
    status: 404,
    text: expect.stringContaining("<H1>Not Found</H1>"),
  });
  expect(await asked("/v1/models/half_plus_two", { method: "DELETE" })).toMatchObject({
    status: 400,
  });
});

test.each([
  { request: "BREW /v1/models/a HTTP/1.1\r\n\r\n", status: "501 Not Implemented" },
  { request: "TRACE /v1/models/a HTTP/1.1\r\nHost: a\r\n\r\n", status: "501 Not Implemented" },
  { request: "GET /v1/models/a HTTP/1.1\r\nno header\r\n\r\n", status: "400 Bad Request" },
])("what is no request of this API is answered $status", async ({ request, status }) => {
  const received = await talkRaw(server.restPort ?? 0, [request]);

  expect(received).toMatch(new RegExp(`^HTTP/1.1 ${status}\r\n`));
  expect(received).toContain(`<H1>${status.slice(4)}</H1>`);
});
