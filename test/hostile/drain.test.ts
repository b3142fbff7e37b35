import { once } from "node:events";
import http2 from "node:http2";
import net from "node:net";
import { manualClock } from "@tensorgate/core/testing";
import { systemClockAndRandom } from "@tensorgate/gateway";
import { expect, onTestFinished, test } from "vitest";
import { type FakeReplica, startFakeReplica } from "../support/fake-replica.ts";
import { samplePicture } from "../support/pictures.ts";
import { openGateway, type RunningGateway } from "../support/running-gateway.ts";
import { shapesOutputs } from "../support/shapes-answers.ts";

const drainDelayMs = 5_000;
const star = samplePicture("star");

interface Draining {
  readonly running: RunningGateway;
  readonly replica: FakeReplica;
  readonly clock: ReturnType<typeof manualClock>;
}

async function gatewayWith(listen: { readonly drainDelayMs?: number }): Promise<Draining> {
  const clock = manualClock();
  const replica = await startFakeReplica();
  const pools = [{ model: "shapes", region: "westeurope", replicas: [replica.address] }];
  const running = await openGateway(
    { pools, listen: { port: 0, ...listen } },
    { clockAndRandom: { ...systemClockAndRandom, clock } },
  );
  await running.gateway.ready();
  onTestFinished(() => replica[Symbol.asyncDispose]());
  return { running, replica, clock };
}

/** A connection that a proxy keeps: requests are written to it one after the other. */
async function keptConnection(port: number) {
  const socket = net.connect(port, "127.0.0.1");
  socket.on("error", () => {});
  let received = "";
  socket.on("data", (chunk: Buffer) => {
    received += chunk.toString("latin1");
  });
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  await once(socket, "connect");
  return {
    closed,
    isOpen: () => !socket.destroyed && socket.writable && !socket.readableEnded,
    send: (text: string | Uint8Array) => socket.write(text),
    /** Resolves to what came since the last time, when it holds `text`. */
    until: async (text: string) => {
      await expect.poll(() => received).toContain(text);
      const all = received;
      received = "";
      return all;
    },
  };
}

const get = (path: string) => `GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`;

async function canConnect(port: number): Promise<boolean> {
  const socket = net.connect(port, "127.0.0.1");
  return new Promise((resolve) => {
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
  }).finally(() => socket.destroy()) as Promise<boolean>;
}

test("a drain: not ready but accepting, then GOAWAY and no new connection, idle ones until they are used or the grace ends", async () => {
  const { running, replica, clock } = await gatewayWith({ drainDelayMs });
  const { port } = running.gateway;
  const [idle, used] = [await keptConnection(port), await keptConnection(port)];
  for (const connection of [idle, used]) {
    connection.send(get("/livez"));
    expect(await connection.until("\r\n\r\n")).not.toMatch(/connection: close/i);
  }
  const session = http2.connect(running.url);
  const goaway = once(session, "goaway");
  let isGone = false;
  void goaway.then(() => {
    isGone = true;
  });
  await once(session, "remoteSettings");
  const busy = await keptConnection(port);
  busy.send(
    `POST /v1/classify/shapes HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${star.length}\r\n\r\n`,
  );
  busy.send(star);
  const call = await replica.nextPredict();

  const closed = running.gateway.close(10_000);

  // Balancers that ask are told, and those that do not may still connect.
  const probe = await keptConnection(port);
  probe.send(get("/readyz"));
  expect(await probe.until("\r\n\r\n")).toMatch(/^HTTP\/1\.1 503 [\s\S]*connection: close/i);
  await probe.closed;
  // What was begun before says so, too: its proxy must not send on the connection again.
  call.succeed(shapesOutputs());
  const last = await busy.until("\r\n\r\n");
  expect(last).toMatch(/^HTTP\/1\.1 200 [\s\S]*connection: close/i);
  expect(last).not.toMatch(/keep-alive/i);
  await busy.closed;
  expect(isGone).toBe(false);
  expect([idle.isOpen(), used.isOpen()]).toEqual([true, true]);

  clock.advance(drainDelayMs);
  const [code] = await goaway;
  expect(code).toBe(http2.constants.NGHTTP2_NO_ERROR);
  expect(await canConnect(port)).toBe(false);
  used.send(get("/livez"));
  expect(await used.until("\r\n\r\n")).toMatch(/^HTTP\/1\.1 200 [\s\S]*connection: close/i);
  await used.closed;
  expect(idle.isOpen()).toBe(true);

  clock.advance(9_999);
  expect(idle.isOpen()).toBe(true);
  clock.advance(1);
  await idle.closed;
  await closed;
});

test("a drain ends early when every connection has", async () => {
  const { running, clock } = await gatewayWith({ drainDelayMs });
  const kept = await keptConnection(running.gateway.port);
  kept.send(get("/livez"));
  await kept.until("\r\n\r\n");
  const closed = running.gateway.close(10_000);
  kept.send(get("/livez"));
  await kept.closed;

  clock.advance(drainDelayMs);

  await closed;
});

test("without a delay the port and idle connections close immediately", async () => {
  const { running } = await gatewayWith({});
  const { port } = running.gateway;
  const idle = await keptConnection(port);
  idle.send(get("/livez"));
  await idle.until("\r\n\r\n");

  await running.gateway.close(10_000);

  await idle.closed;
  expect(await canConnect(port)).toBe(false);
});

test("a second close without grace ends a drain immediately", async () => {
  const { running, clock } = await gatewayWith({ drainDelayMs });
  const idle = await keptConnection(running.gateway.port);
  idle.send(get("/livez"));
  await idle.until("\r\n\r\n");
  const first = running.gateway.close(10_000);

  const second = running.gateway.close(0);
  clock.advance(1);

  await Promise.all([first, second, idle.closed]);
});

test("an HTTP/2 session that is never idle gets GOAWAY, and what it has begun is answered", async () => {
  const { running, replica, clock } = await gatewayWith({ drainDelayMs });
  const session = http2.connect(running.url);
  session.on("error", () => {});
  const goaway = once(session, "goaway");
  const stream = session.request({ ":method": "POST", ":path": "/v1/classify/shapes" });
  const answered = once(stream, "response");
  stream.end(star);
  stream.resume();
  const call = await replica.nextPredict();

  const closed = running.gateway.close(10_000);
  clock.advance(drainDelayMs);
  await goaway;
  call.succeed(shapesOutputs());

  const [headers] = (await answered) as [http2.IncomingHttpHeaders];
  expect(headers[":status"]).toBe(200);
  await closed;
});

test("what the system has accepted when the port closes is answered", async () => {
  const { running, clock } = await gatewayWith({ drainDelayMs });
  const closed = running.gateway.close(10_000);
  const sockets = Array.from({ length: 50 }, () => net.connect(running.gateway.port, "127.0.0.1"));
  const answers = sockets.map(async (socket) => {
    socket.on("error", () => {});
    let received = "";
    socket.on("data", (chunk: Buffer) => {
      received += chunk.toString("latin1");
    });
    socket.write(get("/livez"));
    await new Promise((resolve) => socket.once("close", resolve));
    return received;
  });
  // The handshake is the system's, and done now: the gateway has seen none of them.
  await new Promise<void>((resolve) => process.nextTick(resolve));

  clock.advance(drainDelayMs);

  const received = await Promise.all(answers);
  await closed;
  expect(received.filter((text) => text.startsWith("HTTP/1.1 200"))).toHaveLength(50);
});
