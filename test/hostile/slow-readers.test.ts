import { once } from "node:events";
import http2 from "node:http2";
import net from "node:net";
import type { Readable } from "node:stream";
import { create, toBinary } from "@bufbuild/protobuf";
import { float32Tensor } from "@tensorgate/core";
import { manualClock } from "@tensorgate/core/testing";
import { systemClockAndRandom } from "@tensorgate/gateway";
import { PredictRequestSchema } from "@tensorgate/proto/tensorgate/v1/scoring";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { type FakeReplica, startFakeReplica } from "../support/fake-replica.ts";
import { http2Frame, http2Opening, indexedField } from "../support/raw-http.ts";
import { openGateway, type RunningGateway } from "../support/running-gateway.ts";

/** More than the kernel takes for a peer that reads nothing. */
const answerBytes = 32 * 2 ** 20;

const clock = manualClock();
let replica: FakeReplica;
let running: RunningGateway;
beforeAll(async () => {
  const tensor = float32Tensor([1, answerBytes / 4], new Float32Array(answerBytes / 4));
  replica = await startFakeReplica({ answer: () => new Map([["big", tensor]]) });
  running = await openGateway(
    {
      models: [{ name: "m" }],
      pools: [{ model: "m", region: "westeurope", replicas: [replica.address] }],
    },
    {
      clockAndRandom: { ...systemClockAndRandom, clock },
      console: new Map([["/big", { contentType: "text/plain", body: Buffer.alloc(answerBytes) }]]),
    },
  );
  await running.gateway.ready();
});
afterAll(async () => {
  const closed = running.gateway.close(0);
  clock.advance(1);
  await closed;
  await replica[Symbol.asyncDispose]();
});

// Whatever came before, the next caller is served, and nothing is still counted.
afterEach(async () => {
  const response = await fetch(`${running.url}/livez`, { headers: { connection: "close" } });
  expect(response.status).toBe(200);
  await response.arrayBuffer();
  await expect.poll(() => running.gateway.load()).toMatchObject({ bytesInFlight: 0 });
});

const message = toBinary(
  PredictRequestSchema,
  create(PredictRequestSchema, { modelSpec: { name: "m" } }),
);

function framed(bytes: Uint8Array): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(bytes.byteLength, 1);
  return Buffer.concat([prefix, bytes]);
}

const predict = "/tensorgate.v1.ScoringService/Predict";
const watchStatus = "/tensorgate.v1.StatusService/WatchStatus";

const requests = [
  { name: "REST", path: "/big", type: undefined, body: undefined },
  { name: "Connect", path: predict, type: "application/proto", body: message },
  { name: "gRPC", path: predict, type: "application/grpc", body: framed(message) },
  { name: "gRPC-Web", path: predict, type: "application/grpc-web+proto", body: framed(message) },
] as const;

/** Lets time pass a second at a time, as it would, until `isOver`. */
async function passTime(isOver: () => boolean, maxSeconds: number): Promise<void> {
  for (let second = 0; second < maxSeconds && !isOver(); second += 1) {
    clock.advance(1_000);
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  }
}

async function untilHeld(byteCount: number): Promise<void> {
  await expect
    .poll(() => running.gateway.load().bytesInFlight, { timeout: 10_000 })
    .toBeGreaterThan(byteCount);
}

test.each(requests)(
  "HTTP/2 with a window of 0: what is not read of $name is counted, and cut after five seconds",
  async ({ path, type, body }) => {
    const session = http2.connect(running.url, { settings: { initialWindowSize: 0 } });
    session.on("error", () => {});
    const stream = session.request({
      ":method": body ? "POST" : "GET",
      ":path": path,
      ...(type && { "content-type": type }),
    });
    stream.on("error", () => {});
    const closed = new Promise((resolve) => stream.once("close", resolve));
    stream.end(body);
    stream.resume();
    await untilHeld(answerBytes - 1);

    clock.advance(4_000);
    expect(stream.closed).toBe(false);
    await passTime(() => stream.closed, 4);
    await closed;

    expect(stream.rstCode).toBe(http2.constants.NGHTTP2_ENHANCE_YOUR_CALM);
    await expect.poll(() => running.gateway.load().bytesInFlight).toBe(0);
    // Whoever still reads keeps the session.
    await passTime(() => false, 10);
    expect(session.destroyed).toBe(false);
    session.destroy();
  },
);

test.each(requests)(
  "HTTP/1.1: a connection whose caller does not read $name is reset",
  async ({ path, type, body }) => {
    const socket = net.connect(running.gateway.port, "127.0.0.1");
    socket.pause();
    socket.on("error", () => {});
    socket.write(
      [
        `${body ? "POST" : "GET"} ${path} HTTP/1.1`,
        "host: localhost",
        ...(type ? [`content-type: ${type}`] : []),
        `content-length: ${body?.byteLength ?? 0}`,
        "\r\n",
      ].join("\r\n"),
    );
    if (body) socket.write(body);
    await untilHeld(answerBytes / 2);

    clock.advance(4_000);
    expect(running.gateway.load().bytesInFlight).toBeGreaterThan(answerBytes / 4);
    // The system took so much for the caller that it may be reading that for a while.
    await passTime(() => running.gateway.load().bytesInFlight === 0, 45);

    expect(running.gateway.load()).toMatchObject({ bytesInFlight: 0 });
    socket.destroy();
  },
);

test("a session whose caller reads nothing at all is ended, not only its streams", async () => {
  const wide = Buffer.from([0, 4, 0x7f, 0xff, 0xff, 0xff]);
  const request = Buffer.concat([
    Buffer.of(0x82, 0x86),
    indexedField(":authority", "localhost"),
    indexedField(":path", "/big"),
  ]);
  const socket = net.connect(running.gateway.port, "127.0.0.1");
  socket.pause();
  socket.on("error", () => {});
  socket.write(http2Opening);
  socket.write(http2Frame("settings", 0, wide));
  socket.write(http2Frame("windowUpdate", 0, Buffer.from([0x7f, 0xfe, 0, 0])));
  socket.write(http2Frame("headers", 1, request, 0x5));
  await untilHeld(answerBytes / 2);

  await passTime(() => running.gateway.load().connections === 0, 55);

  await expect
    .poll(() => running.gateway.load())
    .toMatchObject({ connections: 0, bytesInFlight: 0 });
  socket.destroy();
});

test("a stream of status messages that is not read is cut, one that is read lasts", async () => {
  const open = (initialWindowSize: number) => {
    const session = http2.connect(running.url, { settings: { initialWindowSize } });
    session.on("error", () => {});
    const stream = session.request({
      ":method": "POST",
      ":path": watchStatus,
      "content-type": "application/grpc",
    });
    stream.on("error", () => {});
    stream.end(framed(new Uint8Array()));
    stream.resume();
    return { session, stream };
  };
  const unread = open(0);
  const read = open(65_535);
  await once(read.stream, "data");
  await untilHeld(0);

  await passTime(() => unread.stream.closed, 20);
  expect(unread.stream.rstCode).toBe(http2.constants.NGHTTP2_ENHANCE_YOUR_CALM);
  await passTime(() => false, 10);

  expect(read.stream.closed).toBe(false);
  for (const { session } of [unread, read]) session.destroy();
});

test("where answers hold more than half of the budget, no client counts as reading what does not show", async () => {
  const sockets = Array.from({ length: 12 }, () => {
    const socket = net.connect(running.gateway.port, "127.0.0.1");
    socket.pause().on("error", () => {});
    socket.write("GET /big HTTP/1.1\r\nhost: localhost\r\n\r\n");
    return socket;
  });
  await untilHeld(8 * answerBytes);

  await passTime(() => running.gateway.load().bytesInFlight < 8 * answerBytes, 12);

  expect(running.gateway.load().bytesInFlight).toBeLessThan(8 * answerBytes);
  for (const socket of sockets) socket.destroy();
});

/** Reads so much each second; resolves to how much came until the end. */
async function readSlowly(readable: Readable, bytesPerSecond: number): Promise<number> {
  let received = 0;
  let left = bytesPerSecond;
  while (!readable.readableEnded && !readable.destroyed) {
    const chunk: Buffer | null = readable.read(Math.min(left, readable.readableLength));
    received += chunk?.byteLength ?? 0;
    left -= chunk?.byteLength ?? 0;
    if (left > 0) await new Promise((resolve) => setImmediate(resolve));
    else await passTime(() => false, 1);
    if (left === 0) left = bytesPerSecond;
  }
  return received;
}

const slowRate = 65_536;

test("HTTP/1.1: a caller that reads slowly gets all of a long answer, though buffers hide for long what it reads", async () => {
  const socket = net.connect(running.gateway.port, "127.0.0.1");
  socket.on("error", () => {});
  socket.write("GET /big HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");

  expect(await readSlowly(socket, slowRate)).toBeGreaterThan(answerBytes);
}, 60_000);

test("HTTP/2: a caller that reads slowly gets all of a long answer, though its window hides what it reads", async () => {
  const session = http2.connect(running.url, { settings: { initialWindowSize: 1_048_576 } });
  session.on("error", () => {});
  session.once("connect", () => session.setLocalWindowSize(1_048_576));
  const stream = session.request({ ":path": "/big" });
  stream.on("error", () => {});

  expect(await readSlowly(stream, slowRate)).toBe(answerBytes);
  session.destroy();
}, 60_000);

test("answers that no client reads fill the budget and no more: others are overload, probes are answered", async () => {
  const session = http2.connect(running.url, { settings: { initialWindowSize: 0 } });
  session.on("error", () => {});
  const statuses: number[] = [];
  for (let count = 0; count < 20; count += 1) {
    const stream = session.request({ ":path": "/big" });
    stream.on("error", () => {});
    stream.on("response", (headers) => statuses.push(Number(headers[":status"])));
    stream.resume();
  }
  await expect.poll(() => statuses.length).toBe(20);

  expect(statuses.filter((status) => status === 200)).toHaveLength(16);
  expect(statuses.filter((status) => status === 503)).toHaveLength(4);
  expect(running.gateway.load().bytesInFlight).toBeLessThan(513 * 2 ** 20);
  expect((await fetch(`${running.url}/livez`)).status).toBe(200);
  session.destroy();
});

test("PING flood: a caller that reads no answer to its pings is sent away", async () => {
  const socket = net.connect(running.gateway.port, "127.0.0.1");
  socket.pause();
  socket.on("error", () => {});
  const closed = new Promise((resolve) => socket.once("close", resolve));
  socket.write(http2Opening);
  const pings = Buffer.concat(
    Array.from({ length: 5_000 }, () => http2Frame("ping", 0, new Uint8Array(8))),
  );
  let sentCount = 0;
  for (; !socket.destroyed && sentCount < 1_000; sentCount += 1) {
    if (!socket.write(pings)) await Promise.race([once(socket, "drain").catch(() => {}), closed]);
  }

  await closed;
  expect(sentCount).toBeLessThan(1_000);
});

test("pipelining: requests beyond what one connection may have at the same time end it", async () => {
  const socket = net.connect(running.gateway.port, "127.0.0.1");
  socket.on("error", () => {});
  let received = "";
  socket.on("data", (chunk: Buffer) => {
    received += chunk.toString("latin1");
  });
  const closed = once(socket, "close");
  socket.write("GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(1_000));
  await closed;

  expect(received.match(/HTTP\/1\.1 200 /g)?.length ?? 0).toBeLessThanOrEqual(100);
  expect(received).toContain("HTTP/1.1 503 ");
});
