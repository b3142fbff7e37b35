import { once } from "node:events";
import http2 from "node:http2";
import net from "node:net";
import { manualClock } from "@tensorgate/core/testing";
import { expect, test } from "vitest";
import { listenDefaults, requestDefaults } from "../../options.ts";
import type { NodeRequest } from "../node-http.ts";
import { allowLongBody, maxUnauthenticatedBytes, resetWithReply } from "./lingering-close.ts";
import { createListener } from "./listener.ts";

/** A server that answers every request by its headers, and what it was asked. */
async function answering(kind: "unauthenticated" | "authenticated" | "reset early") {
  const clock = manualClock();
  const requests: NodeRequest[] = [];
  const opened = createListener({
    listen: { ...listenDefaults, port: 0 },
    requests: requestDefaults,
    onRequest: (request, response) => {
      requests.push(request);
      if (kind === "authenticated") allowLongBody(request);
      if (kind === "reset early") resetWithReply(request, response);
      response.statusCode = 401;
      response.end();
    },
    budget: { add: () => {}, hasRoom: () => true },
    onCertificates: () => {},
    onRejected: () => {},
    clock,
  });
  const { port } = await opened.listen();
  return { clock, port, requests, [Symbol.asyncDispose]: () => opened.close(0) };
}

async function connect(port: number) {
  const socket = net.connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  let received = "";
  socket.on("error", () => {});
  socket.on("data", (chunk) => {
    received += chunk.toString("latin1");
  });
  await once(socket, "connect");
  return { socket, answers: () => received.split("HTTP/1.1 401").length - 1 };
}

const post = (header: string) => `POST / HTTP/1.1\r\nhost: x\r\n${header}\r\n\r\n`;

/** Reads come in pieces of up to 64 KiB, and one more is on its way when the first is too much. */
const maxRead = 3 * maxUnauthenticatedBytes;

test.each([
  { name: "declares it", header: "content-length: 33554432", before: "" },
  { name: "sends it in chunks", header: "transfer-encoding: chunked", before: "2000000\r\n" },
])(
  "of an unauthenticated client that $name, little is read, and the answer arrives",
  async (sent) => {
    await using server = await answering("unauthenticated");
    const { socket, answers } = await connect(server.port);
    const ended = once(socket, "end");

    socket.write(post(sent.header));
    socket.write(sent.before);
    socket.write(Buffer.alloc(33_554_432));
    await ended;

    expect(answers()).toBeGreaterThan(0);
    const accepted = server.requests[0]?.socket as net.Socket;
    const closed = accepted.destroyed ? undefined : once(accepted, "close");
    server.clock.advance(1_000);
    await closed;
    expect(accepted.bytesRead).toBeLessThanOrEqual(maxRead);
    socket.destroy();
  },
);

test("an unauthenticated client that sends little can keep the connection", async () => {
  await using server = await answering("unauthenticated");
  const { socket, answers } = await connect(server.port);

  socket.write(post("content-length: 60000"));
  await expect.poll(answers).toBe(1);
  socket.write(Buffer.alloc(60_000));
  socket.write(post("content-length: 0"));

  await expect.poll(answers).toBe(2);
  expect(server.clock.pendingTimersMs()).toEqual([listenDefaults.idleTimeoutMs]);
  socket.destroy();
});

test("of a known caller much is read, for a while", async () => {
  await using server = await answering("authenticated");
  const { socket, answers } = await connect(server.port);
  socket.write(post("content-length: 8000000"));
  socket.write(Buffer.alloc(8_000_000));
  socket.write(post("content-length: 8000000"));
  await expect.poll(answers).toBe(2);
  const closed = once(socket, "close");

  server.clock.advance(5_000);
  socket.end();

  await closed;
  expect(server.requests).toHaveLength(2);
});

test("a caller who wants the connection closed may go on sending as well", async () => {
  await using server = await answering("authenticated");
  const { socket, answers } = await connect(server.port);
  const failures: Error[] = [];
  socket.on("error", (error) => failures.push(error));
  const ended = once(socket, "end");

  socket.write(post("connection: close\r\ncontent-length: 32000000"));
  await expect.poll(answers).toBe(1);
  await new Promise((resolve) => socket.write(Buffer.alloc(32_000_000), resolve));
  await ended;
  socket.end();
  await once(socket, "close");

  expect(failures).toEqual([]);
  await expect.poll(() => server.clock.pendingTimersMs()).toEqual([]);
});

test("of a known caller who sends a byte at a time, no more than some thousand pieces are read", async () => {
  await using server = await answering("authenticated");
  const { socket, answers } = await connect(server.port);
  const ended = once(socket, "end");

  socket.write(post("transfer-encoding: chunked"));
  socket.write(Buffer.alloc(6_000_000, "1\r\na\r\n"));
  await ended;

  expect(answers()).toBe(1);
  const accepted = server.requests[0]?.socket as net.Socket;
  // 16,384 pieces of 6 bytes, and what was on its way.
  expect(accepted.bytesRead).toBeLessThan(1_000_000);
  socket.destroy();
});

test("of a known caller who declares far too much nothing is read", async () => {
  await using server = await answering("authenticated");
  const { socket, answers } = await connect(server.port);
  const ended = once(socket, "end");

  socket.write(post("content-length: 100000000"));
  await ended;

  expect(answers()).toBe(1);
  socket.destroy();
});

test.each([
  { kind: "unauthenticated", windowBytes: maxUnauthenticatedBytes },
  { kind: "authenticated", windowBytes: 262_144 },
] as const)("over HTTP/2, $kind may send $windowBytes bytes ahead", async (expected) => {
  await using server = await answering(expected.kind);
  const session = http2.connect(`http://127.0.0.1:${server.port}`);
  const stream = session.request({ ":method": "POST", ":path": "/" });
  stream.on("error", () => {}).write(Buffer.alloc(1_000_000));
  await once(stream, "response");

  await expect.poll(() => session.remoteSettings.initialWindowSize).toBe(expected.windowBytes);

  const [request] = server.requests as readonly http2.Http2ServerRequest[];
  const accepted = request?.stream.session?.socket;
  server.clock.advance(1_000);
  await once(stream.resume(), "close");
  expect(stream.rstCode).toBe(http2.constants.NGHTTP2_NO_ERROR);
  expect(accepted?.bytesRead).toBeLessThan(expected.windowBytes + 2 * maxUnauthenticatedBytes);
  session.destroy();
});

test("a stream of which no more is to come is reset with its answer", async () => {
  await using server = await answering("reset early");
  const session = http2.connect(`http://127.0.0.1:${server.port}`);
  const stream = session.request({ ":method": "POST" });
  const answered = once(stream, "response");
  stream.on("error", () => {}).write("x");

  const [{ ":status": status }] = await answered;
  await once(stream.resume(), "close");

  expect(status).toBe(401);
  expect(stream.rstCode).toBe(http2.constants.NGHTTP2_NO_ERROR);
  session.destroy();
});
