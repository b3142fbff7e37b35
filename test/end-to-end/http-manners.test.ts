import { once } from "node:events";
import http from "node:http";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { samplePicture } from "../support/pictures.ts";
import { type RunningGateway, startBundledGateway } from "../support/running-gateway.ts";

let running: RunningGateway;
beforeAll(async () => {
  running = await startBundledGateway();
});
afterAll(() => running[Symbol.asyncDispose]());

const star = samplePicture("star");

interface Answered {
  readonly status: number | undefined;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Sends what fetch would change: methods in any case, and no header of its own. */
function send(
  method: string,
  path: string,
  headers: Record<string, string> = {},
  body?: Uint8Array,
): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const request = http.request(`${running.url}${path}`, { method, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () =>
        resolve({
          status: response.statusCode,
          headers: response.headers,
          body: Buffer.concat(chunks),
        }),
      );
    });
    request.on("error", reject);
    request.end(body);
  });
}

describe.each(["/v1/catalog", "/v1/catalog/shapes", "/openapi.json"])("GET %s", (path) => {
  test("is not sent again to a client that has it", async () => {
    const first = await send("GET", path);
    const { etag = "" } = first.headers;
    const again = await send("GET", path, { "if-none-match": `"other", ${etag}` });
    const other = await send("GET", path, { "if-none-match": '"other"' });

    expect(etag).toMatch(/^W\/"[\w-]{27}"$/);
    expect([first.status, again.status, other.status]).toEqual([200, 304, 200]);
    expect(again.body).toHaveLength(0);
    expect(again.headers.etag).toBe(etag);
  });
});

test.each([
  { accepts: "gzip, deflate, br, zstd", coding: "br", unpack: brotliDecompressSync },
  { accepts: "gzip", coding: "gzip", unpack: gunzipSync },
  { accepts: "br;q=0, *;q=0.5", coding: "gzip", unpack: gunzipSync },
])("a client that accepts $accepts gets $coding", async ({ accepts, coding, unpack }) => {
  const plain = await send("GET", "/openapi.json");
  const packed = await send("GET", "/openapi.json", { "accept-encoding": accepts });

  expect(packed.headers["content-encoding"]).toBe(coding);
  expect(packed.body.byteLength).toBeLessThan(plain.body.byteLength / 3);
  expect(unpack(packed.body)).toEqual(plain.body);
  expect(plain.headers["content-encoding"]).toBeUndefined();
  expect(plain.headers.vary).toContain("accept-encoding");
  expect(packed.headers.etag).toBe(plain.headers.etag);
});

test.each(["identity", "deflate", "gzip;q=0", "*;q=0", ""])(
  "a client that accepts %j gets the plain text",
  async (accepts) => {
    const { headers } = await send("GET", "/openapi.json", { "accept-encoding": accepts });

    expect(headers["content-encoding"]).toBeUndefined();
  },
);

test("a long answer of a model is compressed on request, a short one never", async () => {
  const headers = { "accept-encoding": "gzip" };
  const features = await send("POST", "/v1/embed/shapes", headers, star);
  const labels = await send("POST", "/v1/classify/shapes", headers, star);

  expect(features.headers["content-encoding"]).toBe("gzip");
  expect(JSON.parse(gunzipSync(features.body).toString())).toHaveProperty("results");
  expect(labels.headers["content-encoding"]).toBeUndefined();
});

test.each([
  ["/v1/classify/shapes", "POST, PUT, OPTIONS"],
  ["/v1/catalog", "GET, HEAD, OPTIONS"],
  ["/tensorgate.v1.ScoringService/Classify", "POST, OPTIONS"],
])("OPTIONS %s lists the methods", async (path, methods) => {
  const { status, headers } = await send("OPTIONS", path);

  expect([status, headers.allow]).toEqual([204, methods]);
});

test("OPTIONS of a path that is none is 404", async () => {
  expect((await send("OPTIONS", "/v1/nothing")).status).toBe(404);
});

test("a picture that is put is scored as one that is posted, with a slash at the end as without", async () => {
  const put = await send("PUT", "/v1/classify/shapes", {}, star);
  const slash = await send("POST", "/v1/classify/shapes/", {}, star);
  const catalog = await send("GET", "/v1/catalog/");

  expect([put.status, slash.status, catalog.status]).toEqual([200, 200, 200]);
  expect(put.body).toEqual(slash.body);
  expect((await send("PUT", "/v1/catalog", {}, star)).status).toBe(405);
});

test.each([
  ["GET", "/v1/nothing", 404],
  ["GET", "/v1/classify/shapes", 405],
  ["POST", "/v1/classify/none", 404],
  ["POST", "/v1/classify/shapes?topk=1", 400],
])("%s %s, which is %i, has the id and the times of the call", async (method, path, status) => {
  const body = method === "POST" ? star : undefined;
  const answer = await send(method, path, { "x-request-id": "mine" }, body);

  expect(answer.status).toBe(status);
  expect(answer.headers["x-request-id"]).toBe("mine");
  expect(answer.headers["server-timing"]).toMatch(/total;dur=\d/);
});

test.each([
  ["/v1/classify/none", 404],
  ["/v1/classify/shapes?topk=1", 400],
  ["/v1/classify/shapes", 200],
])("POST %s is %i, and asks for the picture only if that can be scored", async (path, status) => {
  const headers = { expect: "100-continue", "content-length": star.byteLength };
  const request = http.request(`${running.url}${path}`, { method: "POST", headers });
  let isAsked = false;
  request.on("continue", () => {
    isAsked = true;
    request.end(star);
  });
  request.flushHeaders();
  const [response]: http.IncomingMessage[] = await once(request, "response");
  response?.resume();
  request.destroy();

  expect(response?.statusCode).toBe(status);
  expect(isAsked).toBe(status === 200);
});
