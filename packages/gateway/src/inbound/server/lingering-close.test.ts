import { once } from "node:events";
import http2 from "node:http2";
import net from "node:net";
import type { Readable } from "node:stream";
import { manualClock } from "@tensorgate/core/testing";
import { expect, test } from "vitest";
import { http2Frame, http2Opening } from "../../../../../test/support/raw-http.ts";
import { listenDefaults, requestDefaults } from "../options.ts";
import { type BodyUsage, onTooManyPieces } from "./body/body-budget.ts";
import { readBody, wholeBody } from "./body/read-body.ts";
import { allowLongBody, maxUnauthenticatedBytes } from "./exchange.ts";
import { createListener } from "./listener/listener.ts";
import type { NodeRequest } from "./node-http.ts";

const usage = { arrived() {}, reserve() {}, complete() {}, onFailure() {} } as unknown as BodyUsage;

/** A server that answers every request by its headers, and what it was asked. */
async function answering(kind: "unauthenticated" | "reading" | "authenticated" | "unanswered") {
  const clock = manualClock();
  const requests: NodeRequest[] = [];
  const opened = createListener({
    listen: { ...listenDefaults, port: 0 },
    requests: requestDefaults,
    onRequest: (request, response) => {
      requests.push(request);
      if (kind === "authenticated") allowLongBody(request);
      if (kind === "unanswered") return;
      if (kind === "reading") readBody(request, usage, wholeBody(1e9, Number.NaN)).catch(() => {});
      response.statusCode = 401;
      response.end();
    },
    budget: { add: () => {}, hasRoom: () => true },
    onCertificates: () => {},
    onRejected: () => {},
    clock,
  });
  const { port } = await opened.listen();
  return {
    clock,
    port,
    requests,
    [Symbol.asyncDispose]: () => {
      const closed = opened.close(0);
      clock.advance(0);
      return closed;
    },
  };
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
  {
    name: "sends a body that was being read",
    header: "transfer-encoding: chunked",
    before: "2000000\r\n",
    isRead: true,
  },
])(
  "of an unauthenticated client that $name, little is read, and the answer arrives",
  async ({ isRead = false, ...sent }) => {
    await using server = await answering(isRead ? "reading" : "unauthenticated");
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
    // Some of a body that is being read has come before the answer.
    expect(accepted.bytesRead).toBeLessThanOrEqual(isRead ? 2 * maxRead : maxRead);
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

/** The head of a request, and a piece of its body. */
const tinyPieces = {
  "HTTP/1.1": {
    head: Buffer.from(post("transfer-encoding: chunked")),
    piece: Buffer.from("1\r\na\r\n"),
  },
  "HTTP/2": {
    head: Buffer.concat([
      http2Opening,
      http2Frame("headers", 1, Buffer.of(0x83, 0x86, 0x84, 0x01, 1, 0x78), 0x4),
    ]),
    piece: http2Frame("data", 1, Buffer.of(0)),
  },
};

test.each([
  { version: "HTTP/1.1", kind: "unauthenticated" },
  { version: "HTTP/1.1", kind: "unanswered" },
  { version: "HTTP/2", kind: "unauthenticated" },
  { version: "HTTP/2", kind: "unanswered" },
] as const)(
  "of pieces of a byte no more than a thousand wait, over $version: $kind",
  async (of) => {
    await using server = await answering(of.kind);
    const { socket } = await connect(server.port);
    const { head, piece } = tinyPieces[of.version];

    socket.write(Buffer.concat([head, Buffer.alloc(60_000 * piece.length, piece)]));
    await expect.poll(() => server.requests.length).toBe(1);
    const request = server.requests[0] as NodeRequest;
    await new Promise<void>((resolve) => onTooManyPieces(request, resolve));

    const other = await connect(server.port);
    other.socket.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    await expect.poll(() => server.requests.length).toBe(2);

    const body: Readable = "stream" in request ? request.stream : request;
    let waiting = 0;
    body.on("data", () => {
      waiting += 1;
    });
    body.resume();
    await new Promise((resolve) => setImmediate(resolve));
    expect(waiting).toBeLessThanOrEqual(1_041);
    socket.destroy();
    other.socket.destroy();
  },
);

test("a stream is reset as soon as too many pieces follow its answer", async () => {
  await using server = await answering("unauthenticated");
  const { socket } = await connect(server.port);
  const { head, piece } = tinyPieces["HTTP/2"];
  socket.write(head);
  await expect.poll(() => server.requests.length).toBe(1);
  const request = server.requests[0] as http2.Http2ServerRequest;
  if (!request.stream.writableFinished) await once(request.stream, "finish");

  socket.write(Buffer.alloc(2_000 * piece.length, piece));
  await new Promise<void>((resolve) => onTooManyPieces(request, resolve));
  server.clock.advance(0);

  await once(request.stream, "close");
  expect(request.stream.rstCode).toBe(http2.constants.NGHTTP2_NO_ERROR);
  socket.destroy();
});

test.each([
  { name: "CONNECT", headers: { ":method": "CONNECT", ":authority": "x:1" }, status: 401 },
  { name: "an unknown expectation", headers: { ":method": "POST", expect: "x" }, status: 417 },
])("$name over HTTP/2 is limited like every other request", async ({ headers, status }) => {
  await using server = await answering("unauthenticated");
  const session = http2.connect(`http://127.0.0.1:${server.port}`);
  const stream = session.request(headers, { endStream: false }).on("error", () => {});
  const [answer] = await once(stream, "response");
  expect(answer[":status"]).toBe(status);
  await expect.poll(() => server.clock.pendingTimersMs()).toContain(1_000);

  server.clock.advance(1_000);

  await once(stream.resume(), "close");
  expect(stream.rstCode).toBe(http2.constants.NGHTTP2_NO_ERROR);
  session.destroy();
});

test("an unknown expectation over HTTP/1.1 ends the connection", async () => {
  await using server = await answering("unauthenticated");
  const socket = net.connect(server.port, "127.0.0.1");
  let received = "";
  socket
    .on("error", () => {})
    .on("data", (chunk) => {
      received += chunk.toString("latin1");
    });
  const ended = once(socket, "end");

  socket.write(post("expect: x\r\ncontent-length: 33554432"));
  await ended;

  expect(received).toMatch(/^HTTP\/1.1 417 /);
  expect(server.requests).toEqual([]);
  socket.destroy();
});
