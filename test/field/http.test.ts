import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startAnsweringGateway } from "../support/answering-gateway.ts";
import { samplePicture } from "../support/pictures.ts";
import { talkRaw } from "../support/raw-http.ts";
import type { RunningGateway } from "../support/running-gateway.ts";

let running: RunningGateway;
beforeAll(async () => {
  running = await startAnsweringGateway();
});
afterAll(() => running[Symbol.asyncDispose]());

const star = samplePicture("star");

/** Sends one request as bytes, and resolves to all that comes back. */
function send(line: string, headers: readonly string[] = [], body: Uint8Array = Buffer.alloc(0)) {
  const length = body.length > 0 ? [`content-length: ${body.length}`] : [];
  const head = [line, ...headers, ...length, "connection: close", "", ""].join("\r\n");
  return talkRaw(running.gateway.port, [Buffer.concat([Buffer.from(head, "latin1"), body])]);
}

const statusOf = (answer: string) => Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1]);

describe("a target in absolute-form, as clients send it to what they take for a proxy", () => {
  // https://github.com/honojs/node-server/issues/228 and https://github.com/python/cpython/issues/132741: the server
  // looks for a path that begins with the scheme, and has none.
  test.each([
    { target: "http://localhost/livez", status: 200 },
    { target: "HTTP://LocalHost:8080/readyz?x=http://other/", status: 200 },
    { target: "http://127.0.0.1/v1/catalog", status: 200 },
    { target: "http://[::1]:8080/v1/models/shapes", status: 200 },
    { target: "http://localhost/v1/nothing", status: 404 },
  ])("GET $target is answered $status", async ({ target, status }) => {
    expect(statusOf(await send(`GET ${target} HTTP/1.1`, ["host: localhost"]))).toBe(status);
  });

  test("a picture, an RPC and a HEAD are answered", async () => {
    const post = "POST http://localhost/v1/classify/shapes?topK=1 HTTP/1.1";
    const rpc = "POST http://localhost/tensorgate.v1.CatalogService/ListModels HTTP/1.1";
    const head = "HEAD http://localhost/livez HTTP/1.1";

    expect(await send(post, ["host: localhost"], star)).toContain('"label":"arrow"');
    const types = ["host: localhost", "content-type: application/json"];
    expect(await send(rpc, types, Buffer.from("{}"))).toContain('"name":"shapes"');
    expect(statusOf(await send(head, ["host: localhost"]))).toBe(200);
  });

  test("the host of the target counts: a foreign one is refused on loopback", async () => {
    expect(
      statusOf(await send("GET http://evil.example/livez HTTP/1.1", ["host: localhost"])),
    ).toBe(403);
    expect(
      statusOf(await send("GET http://localhost/livez HTTP/1.1", ["host: evil.example"])),
    ).toBe(200);
  });
});

describe("health checks over HTTP/1.0", () => {
  // https://github.com/haproxy/haproxy/issues/1225 and https://github.com/haproxytech/dataplaneapi/issues/161: the
  // balancer's plain check has no `Host`, is refused, and the server is taken out.
  test.each(["GET /readyz", "GET /livez", "HEAD /readyz", "OPTIONS /", "GET /v1/catalog"])(
    "%s without Host is not refused",
    async (request) => {
      const answer = await talkRaw(running.gateway.port, [`${request} HTTP/1.0\r\n\r\n`]);

      expect(statusOf(answer)).toBe(request.startsWith("OPTIONS") ? 404 : 200);
      expect(answer).toMatch(/^connection: close\r$/im);
      expect(answer).not.toMatch(/^keep-alive:/im);
    },
  );

  test("a picture without Host is scored", async () => {
    const head = `POST /v1/classify/shapes HTTP/1.0\r\ncontent-length: ${star.length}\r\n\r\n`;

    const answer = await talkRaw(running.gateway.port, [head, Buffer.from(star)]);

    expect(answer).toContain('"label":"arrow"');
  });

  // The library of RPCs makes a URL of the host, and the connection was closed without an answer.
  test.each([
    { line: "HTTP/1.0", headers: [], status: 200 },
    { line: "HTTP/1.1", headers: ["host:"], status: 200 },
    { line: "HTTP/1.1", headers: ["host: localhost:99999"], status: 200 },
    { line: "HTTP/1.1", headers: ["host: ["], status: 403 },
  ])("an RPC over $line with $headers is answered $status", async ({ line, headers, status }) => {
    for (const [type, body] of [
      ["application/json", "{}"],
      ["application/proto", ""],
      ["application/grpc-web", "\0\0\0\0\0"],
    ] as const) {
      const answer = await send(
        `POST /tensorgate.v1.CatalogService/ListModels ${line}`,
        [...headers, `content-type: ${type}`],
        Buffer.from(body),
      );

      if (type === "application/grpc-web") {
        expect(answer).toContain(status === 200 ? "grpc-status: 0" : "grpc-status: 7");
      } else {
        expect(statusOf(answer)).toBe(status);
      }
      if (status === 200) expect(answer).toContain("shapes");
    }
  });

  test.each([
    { lines: ["GET /livez HTTP/1.1", "host: localhost."], status: 200 },
    { lines: ["GET /livez HTTP/1.1", "host: LOCALHOST.:8080"], status: 200 },
    { lines: ["GET /livez HTTP/1.0", "host: evil.example"], status: 403 },
    { lines: ["GET /livez HTTP/1.1", "host: evil.example."], status: 403 },
    { lines: ["GET /livez HTTP/1.1", "host: ."], status: 403 },
    { lines: ["GET /livez HTTP/1.1"], status: 400 },
  ])("$lines is answered $status", async ({ lines: [line = "", ...headers], status }) => {
    expect(statusOf(await send(line, headers))).toBe(status);
  });
});

describe("compressed bodies", () => {
  const post = "POST /v1/classify/shapes HTTP/1.1";
  const packed = gzipSync(star);
  const json = gzipSync(`{"image":{"b64":"${Buffer.from(star).toString("base64")}"}}`);

  // https://github.com/urllib3/urllib3/issues/3176 and https://github.com/NixOS/nix/issues/1568: gzip under its old name
  // is an unknown encoding.
  test.each(["x-gzip", "X-GZIP", "gzip", "GZip"])("%s is gzip", async (encoding) => {
    const headers = ["host: localhost", `content-encoding: ${encoding}`];

    expect(await send(post, headers, packed)).toContain('"label":"arrow"');
    const types = [...headers, "content-type: application/json"];
    expect(await send(post, types, json)).toContain('"label":"arrow"');
    const rpc = "POST /tensorgate.v1.CatalogService/ListModels HTTP/1.1";
    expect(await send(rpc, types, gzipSync("{}"))).toContain('"name":"shapes"');
  });

  test("what object stores call bytes is a picture", async () => {
    const headers = ["host: localhost", "content-type: binary/octet-stream"];

    expect(await send(post, headers, star)).toContain('"label":"arrow"');
  });

  // RFC 9112, section 6.1: the transfer is encoded as well as in chunks, and what comes is taken for a picture.
  test.each([
    { path: "/v1/classify/shapes", type: "image/jpeg" },
    { path: "/tensorgate.v1.CatalogService/ListModels", type: "application/json" },
    { path: "/tensorgate.v1.ScoringService/Classify", type: "application/proto" },
  ])("transfer-encoding: gzip, chunked to $path is not supported", async ({ path, type }) => {
    const headers = [
      "host: localhost",
      `content-type: ${type}`,
      "transfer-encoding: gzip, chunked",
      "connection: close",
    ];
    const head = `POST ${path} HTTP/1.1\r\n${headers.join("\r\n")}\r\n\r\n`;
    const body = gzipSync("{}");
    const chunks = [`${body.length.toString(16)}\r\n`, body, "\r\n0\r\n\r\n"];

    const answer = await talkRaw(running.gateway.port, [head, ...chunks]);

    expect(statusOf(answer)).toBe(501);
    expect(answer).toContain("unsupported transfer coding");
  });
});
