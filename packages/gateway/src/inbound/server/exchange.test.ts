import { EventEmitter } from "node:events";
import { gzipSync } from "node:zlib";
import { manualClock } from "@tensorgate/core/testing";
import { expect, test } from "vitest";
import { listenDefaults, requestDefaults } from "../options.ts";
import { createBodyBudget } from "./body/body-budget.ts";
import { contentCoding, createDecompress } from "./body/decompress.ts";
import { HttpExchange } from "./exchange.ts";
import type { NodeRequest, NodeResponse } from "./node-http.ts";

const maxBytes = 1_000_000;

/** A request whose body is sent by hand, and what is counted of it. */
function incoming(headers: Record<string, string>, facts: object = { complete: true }) {
  const emitter = Object.assign(new EventEmitter(), {
    headers,
    url: "/v1/classify/shapes?topK=%31",
    method: "POST",
    readableEnded: false,
    pause: () => {},
    ...facts,
  });
  const response = new EventEmitter();
  const clock = manualClock();
  const request = emitter as unknown as NodeRequest;
  const budget = createBodyBudget({
    requests: { ...requestDefaults, maxBytesInFlight: 4_000_000 },
    listen: listenDefaults,
    clock,
  });
  const exchange = new HttpExchange(request, response as unknown as NodeResponse, {
    bodyBudget: budget,
    decompress: createDecompress(),
  });
  return {
    budget,
    exchange,
    clock,
    isRead: () => emitter.listenerCount("data") > 0,
    body: (copyCount?: number) => exchange.body(maxBytes, copyCount),
    send: (piece: Uint8Array) => emitter.emit("data", Buffer.from(piece)),
    end: () => {
      emitter.readableEnded = true;
      emitter.emit("end");
      emitter.emit("close");
    },
    cut: () => emitter.emit("close"),
    answered: () => {
      exchange[Symbol.dispose]();
      response.emit("close");
    },
  };
}

test("a body of a declared length takes memory as it comes", async () => {
  const { budget, body, send, end, answered } = incoming({ "content-length": "900000" });
  const whole = body();
  expect(budget.bytesInFlight).toBe(0);

  send(Buffer.alloc(1_000, 1));
  expect(budget.bytesInFlight).toBe(4_096);
  send(Buffer.alloc(399_000, 2));
  expect(budget.bytesInFlight).toBe(900_000);
  send(Buffer.alloc(500_000, 3));
  end();

  const bytes = await whole;
  expect([bytes.byteLength, bytes[0], bytes[1_000], bytes[899_999]]).toEqual([900_000, 1, 2, 3]);
  answered();
  expect(budget.bytesInFlight).toBe(0);
});

test("a packed body is counted while it is unpacked, and once it is", async () => {
  const packed = gzipSync(Buffer.alloc(800_000));
  const { budget, body, send, end } = incoming({ "content-encoding": "x-gzip" });
  const whole = body();

  send(packed);
  end();

  expect((await whole).byteLength).toBe(800_000);
  expect(budget.bytesInFlight).toBeGreaterThanOrEqual(800_000);
  expect(budget.bytesInFlight).toBeLessThanOrEqual(maxBytes);
});

test.each([
  { name: "a body", headers: {}, sent: Buffer.alloc(200_000) },
  {
    name: "a packed body",
    headers: { "content-encoding": "gzip" },
    sent: gzipSync(Buffer.alloc(200_000)),
  },
])("copies that will be made of $name are counted", async ({ headers, sent }) => {
  const { budget, body, send, end } = incoming(headers);
  const whole = body(3);

  send(sent);
  end();
  await whole;

  expect(budget.bytesInFlight).toBe(600_000);
});

test.each([
  {
    name: "in chunks over the limit",
    headers: {},
    pieces: [600_000, 400_001],
    reason: "too-large",
  },
  {
    name: "declared over the limit",
    headers: { "content-length": "1000001" },
    pieces: [],
    reason: "too-large",
  },
  {
    name: "longer than declared",
    headers: { "content-length": "10" },
    pieces: [5, 6],
    reason: "invalid-request",
  },
  {
    name: "shorter than declared",
    headers: { "content-length": "10" },
    pieces: [5],
    reason: "invalid-request",
  },
  {
    name: "packed for the transfer",
    headers: { "transfer-encoding": "gzip, chunked" },
    pieces: [5],
    reason: "not-supported",
  },
])("a body that is $name is refused", async ({ headers, pieces, reason }) => {
  const { body, send, end } = incoming(headers);
  const whole = body();

  for (const length of pieces) send(Buffer.alloc(length));
  end();

  await expect(whole).rejects.toMatchObject({ reason });
});

test.each([
  { version: "HTTP/1.1", facts: { complete: false } },
  { version: "HTTP/2", facts: { stream: { aborted: true } } },
])("an upload of $version that is cut is cancelled, though it ends", async ({ facts }) => {
  const { body, send, end } = incoming({}, facts);
  const whole = body();

  send(Buffer.alloc(1_000));
  end();

  await expect(whole).rejects.toMatchObject({ reason: "cancelled" });
});

test("a client that disconnects ends the reading", async () => {
  const { body, send, cut } = incoming({ "content-length": "100000" });
  const whole = body();

  send(Buffer.alloc(1_000));
  cut();

  await expect(whole).rejects.toMatchObject({ reason: "cancelled" });
});

test("a query is decoded when it is asked for, unless it is too long", () => {
  const short = incoming({}).exchange;
  const long = incoming({}, { url: `/livez?${"%41=&".repeat(1_000)}` }).exchange;

  expect(short.query.get("topK")).toBe("1");
  expect(long.path).toBe("/livez");
  expect(() => long.query).toThrow(expect.objectContaining({ reason: "invalid-request" }));
});

test("a body that comes fast enough is read on, and its bytes are known", async () => {
  const { body, exchange, send, end, clock } = incoming({ "content-length": "100000" });
  const whole = body();
  send(Buffer.alloc(90_000));

  clock.advance(5_000);
  send(Buffer.alloc(10_000));
  end();

  expect((await whole).byteLength).toBe(100_000);
  expect(exchange.receivedBytes).toBe(100_000);
});

test("a body that comes too slowly is read no further", async () => {
  const { body, send, isRead, clock } = incoming(
    { "content-length": "100000" },
    { complete: false },
  );
  const whole = body();
  whole.catch(() => {});
  send(Buffer.alloc(1_000));

  clock.advance(6_000);

  await expect(whole).rejects.toMatchObject({ reason: "deadline-exceeded" });
  expect(isRead()).toBe(false);
});

test.each([
  { value: undefined, expected: "identity" },
  { value: "identity", expected: "identity" },
  { value: "gzip", expected: "gzip" },
  { value: " X-GZip ", expected: "gzip" },
  { value: "br", expected: undefined },
  { value: "deflate", expected: "deflate" },
  { value: "gzip, deflate", expected: undefined },
  { value: "gzip, gzip", expected: undefined },
])("the coding of $value is $expected", ({ value, expected }) => {
  expect(contentCoding(value)).toBe(expected);
});
