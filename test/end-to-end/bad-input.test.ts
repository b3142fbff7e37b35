import http2 from "node:http2";
import { ConnectError, createClient, type Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { ErrorInfoSchema } from "@tensorgate/proto/google/rpc/error_details";
import { ScoringService } from "@tensorgate/proto/tensorgate/v1/scoring";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { hugePng, samplePicture } from "../support/pictures.ts";
import { type RunningGateway, startShapesGateway } from "../support/running-gateway.ts";

type Body = NonNullable<RequestInit["body"]>;

let running: RunningGateway;
beforeAll(async () => {
  running = await startShapesGateway();
});
afterAll(() => running[Symbol.asyncDispose]());

const star = samplePicture("star");
const truncated = star.slice(0, star.length / 2);

async function post(body: Body | null, init: { type?: string; path?: string } = {}) {
  const { type = "image/jpeg", path = "/v1/classify/shapes" } = init;
  const headers = { "content-type": type };
  const response = await fetch(`${running.url}${path}`, { method: "POST", headers, body });
  return {
    status: response.status,
    type: response.headers.get("content-type"),
    problem: (await response.json()) as Record<string, unknown>,
  };
}

afterEach(async () => {
  const response = await fetch(`${running.url}/v1/classify/shapes`, { method: "POST", body: star });
  expect(response.status).toBe(200);
});

const json = "application/json";

describe("REST", () => {
  test.each<{
    name: string;
    body: Body | null;
    type?: string;
    path?: string;
    status: number;
    reason: string;
  }>([
    { name: "text", body: "no picture", status: 415, reason: "unsupported-media" },
    { name: "a truncated picture", body: truncated, status: 400, reason: "upstream-answered" },
    { name: "a header only", body: star.slice(0, 12), status: 415, reason: "unsupported-media" },
    { name: "40,000 × 30,000 pixels in 10 KB", body: hugePng(), status: 413, reason: "too-large" },
    { name: "an empty body", body: null, status: 400, reason: "invalid-request" },
    {
      name: "a wrong content type",
      body: star,
      type: "text/css",
      status: 415,
      reason: "unsupported-media",
    },
    { name: "broken JSON", body: "{", type: json, status: 400, reason: "invalid-request" },
    {
      name: "JSON without a picture",
      body: "{}",
      type: json,
      status: 400,
      reason: "invalid-request",
    },
    {
      name: "JSON that is no object",
      body: "[1]",
      type: json,
      status: 400,
      reason: "invalid-request",
    },
    {
      name: "invalid base64",
      body: '{"image":{"b64":"$$$"}}',
      type: json,
      status: 400,
      reason: "invalid-request",
    },
    {
      name: "an id of 1,025 characters",
      body: JSON.stringify({ image: { b64: "AAAA", id: "i".repeat(1_025) } }),
      type: json,
      status: 400,
      reason: "invalid-request",
    },
    {
      name: "a form that is none",
      body: "x",
      type: "multipart/form-data",
      status: 400,
      reason: "invalid-request",
    },
    {
      name: "an unknown model",
      body: star,
      path: "/v1/classify/shape",
      status: 404,
      reason: "unknown-model",
    },
    {
      name: "an unknown version",
      body: star,
      path: "/v1/classify/shapes?version=9",
      status: 404,
      reason: "unknown-version",
    },
    {
      name: "a version that is no number",
      body: star,
      path: "/v1/classify/shapes?version=x",
      status: 400,
      reason: "invalid-request",
    },
    {
      name: "a topK of zero",
      body: star,
      path: "/v1/classify/shapes?topK=0",
      status: 400,
      reason: "invalid-request",
    },
    {
      name: "a topK that is not a whole number",
      body: star,
      path: "/v1/classify/shapes?topK=1.5",
      status: 400,
      reason: "invalid-request",
    },
    {
      name: "a minScore of 2",
      body: star,
      path: "/v1/classify/shapes?minScore=2",
      status: 400,
      reason: "invalid-request",
    },
  ])("$name is told as $reason", async ({ body, status, reason, ...init }) => {
    const answer = await post(body, init);

    expect(answer).toMatchObject({
      status,
      type: "application/problem+json",
      problem: { status, reason, type: `urn:tensorgate:${reason}` },
    });
  });

  test("an unknown model comes with the nearest names", async () => {
    const { problem } = await post(star, { path: "/v1/classify/shapez" });

    expect(problem["hint"]).toContain('"shapes"');
  });

  test.each([
    { query: "?topk=3", hint: "did you mean topK?" },
    { query: "?versionlabel=x", hint: "did you mean versionLabel?" },
    { query: "?pretty", hint: "parameters here: version, versionLabel, signature, region" },
    { query: "?region=westeurop", hint: 'did you mean "westeurope"?' },
    { query: "?region=mars", hint: "regions: westeurope" },
  ])("$query is refused with what was meant", async ({ query, hint }) => {
    const { status, problem } = await post(star, { path: `/v1/classify/shapes${query}` });

    expect(status).toBe(400);
    expect(problem["hint"]).toContain(hint);
  });

  test("a header with an unknown region is refused like the parameter", async () => {
    const response = await fetch(`${running.url}/v1/classify/shapes`, {
      method: "POST",
      headers: { "x-tensorgate-region": "mars" },
      body: star,
    });

    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ hint: "regions: westeurope", field: "region" });
  });

  test("a body over the limit is refused before it is sent", async () => {
    const response = await fetch(`${running.url}/v1/classify/shapes`, {
      method: "POST",
      body: new Uint8Array(33_554_433),
    });

    expect(response.status).toBe(413);
  });

  test("65 pictures in a call are too many", async () => {
    const images = Array.from({ length: 65 }, () => ({ b64: "AAAA" }));

    const { status } = await post(JSON.stringify({ images }), { type: json });

    expect(status).toBe(413);
  });

  test.each([
    { method: "GET", path: "/v1/classify/shapes", status: 405 },
    { method: "POST", path: "/v1/nothing", status: 404 },
    { method: "DELETE", path: "/v1/catalog", status: 405 },
  ])("$method $path is a $status", async ({ method, path, status }) => {
    expect((await fetch(`${running.url}${path}`, { method })).status).toBe(status);
  });

  test("an upload over HTTP/2 that is reset leaves the gateway well", async () => {
    const session = http2.connect(running.url);
    const stream = session.request({ ":method": "POST", ":path": "/v1/classify/shapes" });
    stream.on("error", () => {});
    const closed = new Promise((resolve) => stream.once("close", resolve));
    stream.write(star.subarray(0, 100), () => stream.close(http2.constants.NGHTTP2_CANCEL));
    await closed;
    await new Promise<void>((resolve) => session.close(resolve));
  });
});

const transports: Readonly<Record<string, (baseUrl: string) => Transport>> = {
  "Connect JSON": (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1" }),
  gRPC: (baseUrl) => createGrpcTransport({ baseUrl }),
  "gRPC-Web": (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1" }),
};

describe.each(Object.entries(transports))("%s", (_name, transport) => {
  const picture = (value: Uint8Array<ArrayBuffer>) => ({
    source: { case: "data" as const, value },
  });
  test.each([
    {
      name: "text",
      data: new Uint8Array(20),
      spec: { name: "shapes" },
      code: 3,
      reason: "unsupported-media",
    },
    {
      name: "a truncated picture",
      data: truncated,
      spec: { name: "shapes" },
      code: 3,
      reason: "upstream-answered",
    },
    {
      name: "40,000 × 30,000 pixels",
      data: hugePng(),
      spec: { name: "shapes" },
      code: 3,
      reason: "too-large",
    },
    {
      name: "an empty picture",
      data: new Uint8Array(),
      spec: { name: "shapes" },
      code: 3,
      reason: "invalid-request",
    },
    {
      name: "an unknown model",
      data: star,
      spec: { name: "shape" },
      code: 5,
      reason: "unknown-model",
    },
    {
      name: "an unknown version",
      data: star,
      spec: { name: "shapes", versionChoice: { case: "version" as const, value: 9n } },
      code: 5,
      reason: "unknown-version",
    },
    { name: "no model spec", data: star, spec: undefined, code: 3, reason: "invalid-request" },
  ])("$name is told as $reason", async ({ data, spec, code, reason }) => {
    const client = createClient(ScoringService, transport(running.url));

    const failed = client.classify({
      pictures: [picture(data)],
      ...(spec && { modelSpec: spec }),
    });

    const error = ConnectError.from(await failed.catch((thrown: unknown) => thrown));
    expect(error.code).toBe(code);
    expect(error.findDetails(ErrorInfoSchema)).toMatchObject([{ reason, domain: "tensorgate" }]);
  });

  test("a deadline that has passed is reported as such", async () => {
    const client = createClient(ScoringService, transport(running.url));
    const request = { modelSpec: { name: "shapes" }, pictures: [picture(star)] };

    const headers = { "x-tensorgate-timeout-ms": "0" };
    await expect(client.classify(request, { headers })).rejects.toMatchObject({ code: 4 });
  });
});
