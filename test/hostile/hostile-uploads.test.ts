import { once } from "node:events";
import http2 from "node:http2";
import net from "node:net";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { samplePicture } from "../support/pictures.ts";
import { type RunningGateway, startShapesGateway } from "../support/running-gateway.ts";

let running: RunningGateway;
beforeAll(async () => {
  running = await startShapesGateway();
});
afterAll(() => running[Symbol.asyncDispose]());

// Whatever came before, the next caller is served, and nothing is still counted.
afterEach(async () => {
  const body = samplePicture("star");
  const response = await fetch(`${running.url}/v1/classify/shapes`, { method: "POST", body });
  expect(response.status).toBe(200);
  await response.arrayBuffer();
  await expect.poll(() => running.gateway.load().bytesInFlight).toBe(0);
});

const bytesInFlight = () => running.gateway.load().bytesInFlight;

test("bodies that are declared and never sent take no memory but for what has come", async () => {
  const before = process.memoryUsage().arrayBuffers;
  const session = http2.connect(running.url);
  session.on("error", () => {});
  const streams = Array.from({ length: 50 }, () =>
    session.request({
      ":method": "POST",
      ":path": "/v1/classify/shapes",
      "content-type": "image/jpeg",
      "content-length": "33554432",
    }),
  );
  for (const stream of streams) stream.on("error", () => {}).write("x");

  await expect.poll(bytesInFlight).toBe(50 * 4_096);

  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(32 * 2 ** 20);
  session.destroy();
});

test("bodies that are declared and cut before they begin keep no caller out", async () => {
  for (let round = 0; round < 5; round += 1) {
    const session = http2.connect(running.url);
    session.on("error", () => {});
    await once(session, "remoteSettings");
    for (let index = 0; index < 100; index += 1) {
      const headers = { ":method": "POST", ":path": "/v1/classify/shapes" };
      session.request({ ...headers, "content-length": "1000000" }).on("error", () => {});
    }
    await once(session, "localSettings").catch(() => {});
    session.destroy();
  }

  expect(bytesInFlight()).toBe(0);
});

test("a body in chunks of a byte is refused", async () => {
  const socket = net.connect(running.gateway.port, "127.0.0.1");
  socket.on("error", () => {});
  let received = "";
  socket.on("data", (chunk) => {
    received += chunk.toString("latin1");
  });
  await once(socket, "connect");
  socket.write(
    "POST /v1/classify/shapes HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n",
  );

  socket.write("1\r\nx\r\n".repeat(2_000));

  await expect.poll(() => received).toContain("too many small chunks");
  expect(received).toMatch(/^HTTP\/1\.1 413 /);
  socket.destroy();
});

test("a body in frames of a byte is refused", async () => {
  const session = http2.connect(running.url);
  const stream = session.request({ ":method": "POST", ":path": "/v1/classify/shapes" });
  const answered = once(stream, "response");
  const closed = once(stream, "close");
  stream.on("error", () => {});
  let received = "";
  stream.on("data", (chunk) => {
    received += chunk.toString("utf8");
  });

  // One that waits for the one before is its own frame.
  for (let count = 0; count < 1_500 && !stream.destroyed; count += 1) {
    await Promise.race([closed, new Promise((resolve) => stream.write("x", resolve))]);
  }

  const [{ ":status": status }] = await answered;
  await closed;
  expect(status).toBe(413);
  expect(received).toContain("too many small chunks");
  session.destroy();
});

test("a body in chunks is put together as it was", async () => {
  const star = samplePicture("star");
  const socket = net.connect(running.gateway.port, "127.0.0.1");
  let received = "";
  socket.on("data", (chunk) => {
    received += chunk.toString("latin1");
  });
  await once(socket, "connect");
  socket.write(
    "POST /v1/classify/shapes HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n",
  );
  for (let at = 0; at < star.length; at += 700) {
    const piece = star.subarray(at, at + 700);
    socket.write(`${piece.length.toString(16)}\r\n`);
    socket.write(piece);
    socket.write("\r\n");
  }
  socket.write("0\r\n\r\n");

  await expect.poll(() => received).toContain('"star"');
  socket.destroy();
});
