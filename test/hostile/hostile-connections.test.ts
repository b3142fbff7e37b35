import http2 from "node:http2";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { samplePicture } from "../support/pictures.ts";
import { http2Frame, http2Opening, indexedField, talkRaw } from "../support/raw-http.ts";
import { type RunningGateway, startShapesGateway } from "../support/running-gateway.ts";

let running: RunningGateway;
let port: number;
beforeAll(async () => {
  running = await startShapesGateway();
  port = running.gateway.port;
});
afterAll(() => running[Symbol.asyncDispose]());

const star = samplePicture("star");

// Whatever came before, the next caller is served.
afterEach(async () => {
  const response = await fetch(`${running.url}/v1/classify/shapes`, { method: "POST", body: star });
  expect(response.status).toBe(200);
  await response.arrayBuffer();
});

const endHeaders = 0x4;

test("rapid reset: a caller that opens and resets streams without end is sent away", async () => {
  const session = http2.connect(running.url);
  session.on("error", () => {});
  const left = new Promise<void>((resolve) => session.once("close", () => resolve()));
  let openedCount = 0;
  while (!session.destroyed && !session.closed && openedCount < 20_000) {
    for (let count = 0; count < 100 && !session.destroyed && !session.closed; count += 1) {
      const stream = session.request({ ":method": "POST", ":path": "/v1/classify/shapes" });
      stream.on("error", () => {});
      stream.close(http2.constants.NGHTTP2_CANCEL);
      openedCount += 1;
    }
    await new Promise((resolve) => setImmediate(resolve));
  }

  await left;
  expect(openedCount).toBeLessThan(20_000);
});

test("CONTINUATION flood: headers that never end end the connection", async () => {
  const begin = http2Frame("headers", 1, Buffer.of(0x82));
  const piece = http2Frame("continuation", 1, Buffer.alloc(16_000, 0x82));
  function* endless() {
    yield http2Opening;
    yield begin;
    for (let count = 0; count < 10_000; count += 1) yield piece;
  }

  await talkRaw(port, endless());
});

test("header bomb: a field that one byte repeats is refused", async () => {
  const fields = Buffer.concat([
    // GET, http, /, and an authority.
    Buffer.of(0x82, 0x86, 0x84),
    indexedField(":authority", "localhost"),
    indexedField("a", "x".repeat(3_900)),
    Buffer.alloc(10_000, 0xbe),
  ]);
  const frame = http2Frame("headers", 1, fields, endHeaders | 0x1);

  const received = await talkRaw(port, [
    http2Opening,
    frame,
    http2Frame("data", 3, Buffer.alloc(1)),
  ]);

  expect(received).not.toContain("openapi");
  expect(received.length).toBeLessThan(4_000);
});

test("header bomb over HTTP/1.1: more than 16 KiB are refused", async () => {
  const many = Array.from({ length: 1_000 }, (_, index) => `x-${index}: ${"v".repeat(20)}\r\n`);

  const received = await talkRaw(port, [
    `GET /livez HTTP/1.1\r\nhost: localhost\r\n${many.join("")}\r\n`,
  ]);

  expect(received).toMatch(/^HTTP\/1\.1 431 /);
});

const smuggled = "GET /v1/catalog HTTP/1.1\r\nhost: localhost\r\n\r\n";
const head = (lines: readonly string[]) =>
  `POST /v1/classify/shapes HTTP/1.1\r\nhost: localhost\r\n${lines.join("\r\n")}\r\n\r\n`;

test.each([
  {
    name: "content-length beside transfer-encoding",
    bytes: `${head(["content-length: 4", "transfer-encoding: chunked"])}0\r\n\r\n${smuggled}`,
  },
  {
    name: "two lengths",
    bytes: `${head(["content-length: 0", `content-length: ${smuggled.length}`])}${smuggled}`,
  },
  { name: "a list of lengths", bytes: `${head(["content-length: 0, 52"])}${smuggled}` },
  { name: "a length with a sign", bytes: `${head(["content-length: +0"])}${smuggled}` },
  { name: "a length in hexadecimal", bytes: `${head(["content-length: 0x0"])}${smuggled}` },
  {
    name: "an encoding that ends otherwise",
    bytes: `${head(["transfer-encoding: chunked, identity"])}0\r\n\r\n${smuggled}`,
  },
  {
    name: "an encoding that is none",
    bytes: `${head(["transfer-encoding: xchunked"])}0\r\n\r\n${smuggled}`,
  },
  {
    name: "a blank before the colon",
    bytes: `${head(["transfer-encoding : chunked"])}0\r\n\r\n${smuggled}`,
  },
  {
    name: "a folded line",
    bytes: `${head(["x: y", " transfer-encoding: chunked"])}0\r\n\r\n${smuggled}`,
  },
  {
    name: "a chunk size that overflows",
    bytes: `${head(["transfer-encoding: chunked"])}ffffffffffffffffff\r\n${smuggled}`,
  },
  {
    name: "a chunk size with a sign",
    bytes: `${head(["transfer-encoding: chunked"])}-1\r\n${smuggled}`,
  },
  {
    name: "a bare line feed in a chunk's extension",
    bytes: `${head(["transfer-encoding: chunked"])}2;\nxx\r\n0\r\n\r\n${smuggled}`,
  },
  { name: "a NUL in a header", bytes: `${head(["x: a\0b"])}${smuggled}` },
  { name: "a bare carriage return", bytes: `${head(["x: a\rcontent-length: 0"])}${smuggled}` },
])(
  "request smuggling: $name is a bad request, and what follows is no second one",
  async ({ bytes }) => {
    const received = await talkRaw(port, [bytes]);

    expect(received).toMatch(/^HTTP\/1\.1 4\d\d /);
    expect(received).not.toContain('"models"');
  },
);
