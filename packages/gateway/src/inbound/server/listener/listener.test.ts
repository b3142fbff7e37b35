import { once } from "node:events";
import type http from "node:http";
import http2 from "node:http2";
import net from "node:net";
import { manualClock } from "@tensorgate/core/testing";
import { expect, test } from "vitest";
import { listenDefaults, requestDefaults } from "../../options.ts";
import type { NodeResponse, OnRequest } from "../node-http.ts";
import { sendReply, sendStream } from "../reply.ts";
import { createListener } from "./listener.ts";
import { tlsProtocol } from "./tls-acceptor.ts";

async function listening(onRequest: OnRequest = (_request, response) => void response.end("ok")) {
  const clock = manualClock();
  const opened = createListener({
    listen: { ...listenDefaults, port: 0 },
    requests: requestDefaults,
    budget: { add: () => {}, hasRoom: () => true },
    onRequest,
    onCertificates: () => {},
    onRejected: () => {},
    clock,
  });
  const { port } = await opened.listen();
  return { clock, port, [Symbol.asyncDispose]: () => opened.close(0), close: opened.close };
}

async function talk(port: number, bytes: readonly (string | Buffer)[]): Promise<string> {
  const socket = net.connect(port, "127.0.0.1");
  let received = "";
  socket.on("data", (chunk) => {
    received += chunk.toString("latin1");
  });
  socket.on("error", () => {});
  await once(socket, "connect");
  for (const piece of bytes) await new Promise((resolve) => socket.write(piece, resolve));
  await once(socket, "close");
  return received;
}

const get = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

test("HTTP/1.1 is answered, also when it comes byte by byte", async () => {
  await using server = await listening();

  expect(await talk(server.port, [get])).toContain("200 OK");
  expect(await talk(server.port, [...get])).toContain("200 OK");
});

test("HTTP/2 is recognized by its preface, also when it comes in pieces", async () => {
  await using server = await listening();
  const session = http2.connect(`http://127.0.0.1:${server.port}`);

  const stream = session.request({ ":path": "/" });
  const [headers] = (await once(stream, "response")) as [http2.IncomingHttpHeaders];
  stream.resume();
  await once(stream, "close");
  await new Promise<void>((resolve) => session.close(resolve));

  expect(headers[":status"]).toBe(200);
});

test("a method that begins like the preface is HTTP/1.1", async () => {
  await using server = await listening();

  expect(await talk(server.port, ["P", get.replace("GET", "OST")])).toContain("200 OK");
});

test.each([
  { name: "a silent socket", bytes: [] },
  { name: "half a preface", bytes: ["PRI * HTTP/2.0\r\n"] },
])("$name is closed when the header time is over", async ({ bytes }) => {
  await using server = await listening();
  const socket = net.connect(server.port, "127.0.0.1");
  // Cut with bytes unread, a socket is reset rather than closed.
  socket.on("error", () => {});
  await once(socket, "connect");
  for (const piece of bytes) await new Promise((resolve) => socket.write(piece, resolve));
  const closed = new Promise((resolve) => socket.once("close", resolve));
  // The other side may not have taken the connection yet.
  while (server.clock.pendingTimersMs().length === 0) {
    await new Promise((resolve) => setImmediate(resolve));
  }

  server.clock.advance(requestDefaults.headerTimeoutMs);

  await closed;
});

test("what is no HTTP is refused as a bad request", async () => {
  await using server = await listening();

  expect(await talk(server.port, ["\x16\x03\x01 hello\r\n\r\n"])).toContain("400 Bad Request");
});

test("headers over the limit are refused as such", async () => {
  await using server = await listening();
  const request = `GET / HTTP/1.1\r\nhost: x\r\na: ${"x".repeat(20_000)}\r\n\r\n`;

  expect(await talk(server.port, [request])).toContain("431");
});

test("clients over HTTP/2 learn the limit of headers, 16 KiB, and longer ones are rejected", async () => {
  await using server = await listening();
  const session = http2.connect(`http://127.0.0.1:${server.port}`);
  await once(session, "remoteSettings");
  const stream = session.request({ ":path": "/", a: "x".repeat(20_000) });
  stream.on("error", () => {});
  let status: number | undefined;
  stream.on("response", (headers) => {
    status = headers[":status"];
  });
  stream.resume();
  await new Promise((resolve) => stream.once("close", resolve));

  expect(session.remoteSettings.maxHeaderListSize).toBe(16_384);
  expect(status).not.toBe(200);
  session.destroy();
});

test("closing ends an idle keep-alive connection and waits for the busy one", async () => {
  const pending = Promise.withResolvers<() => void>();
  await using server = await listening((_request, response) => {
    pending.resolve(() => response.end("done"));
  });
  const idle = net.connect(server.port, "127.0.0.1");
  await once(idle, "connect");
  const idleClosed = once(idle, "close");
  const busy = talk(server.port, ["GET / HTTP/1.1\r\nhost: x\r\n\r\n"]);
  const answer = await pending.promise;

  const closed = server.close(60_000);
  await idleClosed;
  answer();

  expect(await busy).toContain("done");
  await closed;
});

async function connected(port: number): Promise<{ socket: net.Socket; closed: Promise<unknown> }> {
  const socket = net.connect(port, "127.0.0.1");
  socket.on("error", () => {});
  socket.resume();
  const closed = new Promise((resolve) => socket.once("close", resolve));
  await once(socket, "connect");
  return { socket, closed };
}

test("slow headers: a byte now and then does not keep a connection beyond the header time", async () => {
  await using server = await listening();
  const { socket, closed } = await connected(server.port);
  for (const byte of get.slice(0, 9)) {
    await new Promise((resolve) => socket.write(byte, resolve));
    // Whatever was written has been read before time goes on.
    await new Promise((resolve) => setImmediate(resolve));
    server.clock.advance(1_000);
  }
  await expect.poll(() => server.clock.pendingTimersMs().length).toBe(1);

  server.clock.advance(1_000);

  await closed;
});

test("an idle connection is kept for a while after its answer, then closed", async () => {
  await using server = await listening();
  const { socket, closed } = await connected(server.port);
  socket.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
  await once(socket, "data");
  await expect.poll(() => server.clock.pendingTimersMs()).toEqual([60_000]);

  server.clock.advance(59_999);
  expect(socket.destroyed).toBe(false);
  server.clock.advance(1);

  await closed;
});

/** Answers with headers that the handler may have set before. */
const replyTo: OnRequest = ({ url }, response) => {
  if (url === "/early") response.setHeader("vary", "origin");
  if (url === "/empty") {
    const headers = { "x-a": "b" };
    return void sendStream(response, { status: 200, headers, body: [], trailers: () => ({}) });
  }
  sendReply(response, { status: 200, headers: { "x-a": "b" }, body: "ok" });
};

test.each([
  ["GET / HTTP/1.1", /^keep-alive: timeout=60\r$/im],
  ["GET /early HTTP/1.1", /^vary: origin\r\n(?:.*\r\n)*keep-alive: timeout=60\r$/im],
  ["GET /empty HTTP/1.1", /^keep-alive: timeout=60\r$/im],
  ["GET / HTTP/1.1\r\nconnection: close", /^connection: close\r$/im],
  ["GET /early HTTP/1.1\r\nconnection: close", /^connection: close\r$/im],
])("clients over HTTP/1.1 learn when an idle connection closes: %j", async (head, says) => {
  await using server = await listening(replyTo);
  const { socket } = await connected(server.port);
  socket.write(`${head}\r\nhost: x\r\n\r\n`);
  const [reply] = (await once(socket, "data")) as [Buffer];
  const text = reply.toString("latin1");

  expect(text).toMatch(says);
  expect(text).toMatch(/^x-a: b\r$/im);
  // A head that is written too early would make Node send an empty body in chunks.
  expect(text).toMatch(/^content-length: [02]\r$/im);
  expect(text).not.toMatch(/transfer-encoding/i);
  expect(/^connection: keep-alive\r$/im.test(text)).toBe(/^keep-alive: /im.test(text));
});

test("a connection with a call under way is not idle, however long that takes", async () => {
  const pending = Promise.withResolvers<() => void>();
  await using server = await listening((_request, response) => {
    pending.resolve(() => response.end("done"));
  });
  const { socket } = await connected(server.port);
  socket.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
  const answer = await pending.promise;

  server.clock.advance(600_000);
  expect(socket.destroyed).toBe(false);
  answer();
  await once(socket, "data");
});

test("an HTTP/2 session without streams is closed when it is idle", async () => {
  await using server = await listening();
  const session = http2.connect(`http://127.0.0.1:${server.port}`);
  const goaway = once(session, "goaway");
  const stream = session.request({ ":path": "/" });
  stream.resume();
  await once(stream, "close");
  const closed = new Promise((resolve) => session.once("close", resolve));
  await expect.poll(() => server.clock.pendingTimersMs()).toContain(60_000);

  server.clock.advance(60_000);

  expect((await goaway)[0]).toBe(http2.constants.NGHTTP2_NO_ERROR);
  await closed;
});

test("no version before TLS 1.2 is offered, and nothing that is not forward secret and authenticated", () => {
  expect(tlsProtocol.minVersion).toBe("TLSv1.2");
  for (const name of tlsProtocol.ciphers.split(":")) {
    expect(name).toMatch(/^(TLS_(AES|CHACHA20)|ECDHE-(RSA|ECDSA)-.*(GCM|CHACHA20-POLY1305))/);
  }
});

test.each([
  { name: "CONNECT", headers: { ":method": "CONNECT", ":authority": "x:1" }, status: 200 },
  {
    name: "an unknown expectation",
    headers: { ":method": "POST", ":path": "/", expect: "wonders" },
    status: 417,
  },
])("over HTTP/2, $name does not pass the limit of bodies by", async ({ headers, status }) => {
  await using server = await listening();
  const session = http2.connect(`http://127.0.0.1:${server.port}`);
  const stream = session.request(headers, { endStream: false });
  const [answer] = (await once(stream, "response")) as [http2.IncomingHttpHeaders];
  const closed = once(stream.resume(), "close");
  await once(stream, "end");

  // Its body never ends.
  server.clock.advance(1_000);
  await closed;

  expect(answer[":status"]).toBe(status);
  await new Promise<void>((resolve) => session.close(resolve));
});

/** A request whose client closes its sending side, or leaves, so long after it; nothing has been answered. */
async function closedAfter(ms: number, { leaves = false } = {}) {
  const pending = Promise.withResolvers<NodeResponse>();
  const server = await listening((_request, response) => pending.resolve(response));
  const socket = net.connect({ port: server.port, allowHalfOpen: true });
  socket.on("error", () => {});
  let received = "";
  socket.on("data", (piece: Buffer) => {
    received += piece.toString("latin1");
  });
  socket.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
  const response = (await pending.promise) as http.ServerResponse;
  const { req } = response;
  const isOver = once(response, "close");
  const closed = new Promise((resolve) => socket.once("close", resolve));
  server.clock.advance(ms);
  const seen = once(req.socket, "end");
  if (leaves) socket.destroy();
  else socket.end();
  await seen;
  return { server, response, isOver, closed, received: () => received };
}

test.each([0, 500])("a client that half-closes %i ms after its request is answered", async (ms) => {
  const half = await closedAfter(ms);
  await using _server = half.server;

  half.response.end("done");
  await half.closed;

  expect(half.received()).toMatch(/^HTTP\/1\.1 200 [\s\S]*done/);
});

test("a client that half-closes, and waits for long, gets an interim response first", async () => {
  const half = await closedAfter(0);
  await using _server = half.server;

  half.server.clock.advance(500);
  await expect.poll(half.received).toBe("HTTP/1.1 100 Continue\r\n\r\n");
  half.response.end("done");
  await half.closed;

  expect(half.received()).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 [\s\S]*done/);
});

test("a client that leaves right after its request is found to have gone", async () => {
  const half = await closedAfter(0, { leaves: true });
  await using _server = half.server;

  const isOver = half.isOver.then(() => true);
  while (!half.response.destroyed) {
    half.server.clock.advance(500);
    await new Promise((resolve) => setImmediate(resolve));
  }

  expect(await isOver).toBe(true);
});

test("a client that closes its sending side long after its request has gone", async () => {
  const half = await closedAfter(501);
  await using _server = half.server;

  await half.isOver;
  await half.closed;

  expect(half.received()).toBe("");
});

/** Sends requests one after the other, each when the one before it is answered. */
async function ask(port: number, count: number): Promise<number> {
  const { socket, closed } = await connected(port);
  let received = "";
  let answeredCount = 0;
  for (let index = 0; index < count; index += 1) {
    socket.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    received = "";
    while (!received.endsWith("ok")) received += String(await once(socket, "data"));
    answeredCount += 1;
  }
  socket.end();
  await closed;
  return answeredCount;
}

test("of many connections that are read by turns, each request is answered", async () => {
  await using server = await listening((_request, response) => {
    setImmediate(() => response.end("ok"));
  });

  const counts = await Promise.all(Array.from({ length: 300 }, () => ask(server.port, 4)));

  expect(counts).toEqual(counts.map(() => 4));
});

test("closing answers what waits for its turn", async () => {
  const held: NodeResponse[] = [];
  await using server = await listening((_request, response) => void held.push(response));
  const answers = Array.from({ length: 60 }, () => ask(server.port, 1));
  // Those that waited are read, too, as long as the others wait for something else.
  await expect.poll(() => held.length).toBe(60);
  const later = talk(server.port, [get]);
  for (const response of held.splice(0)) response.end("ok");
  const closed = server.close(60_000);
  await expect.poll(() => held.length).toBe(1);
  held[0]?.end("ok");

  expect(await Promise.all(answers)).toEqual(answers.map(() => 1));
  expect(await later).toContain("ok");
  await closed;
});
