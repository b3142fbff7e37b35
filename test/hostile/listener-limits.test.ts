import { spawn } from "node:child_process";
import { once } from "node:events";
import http2 from "node:http2";
import net from "node:net";
import { fileURLToPath } from "node:url";
import type { RejectedConnections } from "@tensorgate/gateway";
import { expect, onTestFinished, test } from "vitest";
import { startFakeReplica } from "../support/fake-replica.ts";
import { addressOfNobody } from "../support/no-one.ts";
import { printedPort } from "../support/printed-port.ts";
import { openGateway } from "../support/running-gateway.ts";

async function gatewayWith(listen: object) {
  const rejected: RejectedConnections[] = [];
  const replicas = [await addressOfNobody()];
  const running = await openGateway(
    {
      pools: [{ model: "shapes", region: "westeurope", replicas }],
      listen: { port: 0, ...listen },
    },
    { onRejectedConnections: (each) => rejected.push(each) },
  );
  onTestFinished(() => running[Symbol.asyncDispose]());
  return { running, rejected };
}

async function connected(port: number, localAddress = "127.0.0.1") {
  const socket = net.connect({ port, host: "127.0.0.1", localAddress });
  socket.on("error", () => {});
  socket.resume();
  await once(socket, "connect");
  return socket;
}

const closed = (socket: net.Socket) => new Promise((resolve) => socket.once("close", resolve));

const livez = async (url: string) => {
  const response = await fetch(`${url}/livez`, { headers: { connection: "close" } });
  await response.text();
  return response.status;
};

test("connections of one address beyond the limit are closed and reported, until some have ended", async () => {
  const { running, rejected } = await gatewayWith({ maxConnectionsPerAddress: 4 });
  const { port } = running.gateway;
  const sockets = await Promise.all(Array.from({ length: 4 }, () => connected(port)));
  await expect.poll(() => running.gateway.load().connections).toBe(4);

  await closed(await connected(port));

  expect(running.gateway.load().connections).toBe(4);
  expect(rejected).toEqual([{ reason: "address-limit", count: 1 }]);
  for (const socket of sockets) socket.destroy();
  await expect.poll(() => running.gateway.load().connections).toBe(0);
  expect(await livez(running.url)).toBe(200);
});

test.skipIf(process.platform !== "linux")(
  "connections of all addresses beyond the limit are closed and reported (skipped where only 127.0.0.1 is loopback)",
  async () => {
    const { running, rejected } = await gatewayWith({ maxConnections: 4 });
    const { port } = running.gateway;
    const sockets = await Promise.all(
      Array.from({ length: 4 }, (_, index) => connected(port, `127.0.0.${index + 1}`)),
    );
    await expect.poll(() => running.gateway.load().connections).toBe(4);

    await closed(await connected(port, "127.0.0.9"));

    expect(rejected).toEqual([{ reason: "total-limit", count: 1 }]);
    for (const socket of sockets) socket.destroy();
    await expect.poll(() => running.gateway.load().connections).toBe(0);
    expect(await livez(running.url)).toBe(200);
  },
);

test("an HTTP/2 session learns how many streams it may have, and more are refused", async () => {
  const { running } = await gatewayWith({ maxStreamsPerConnection: 3 });
  const session = http2.connect(running.url);
  session.on("error", () => {});
  const opened = Array.from({ length: 5 }, () => {
    const stream = session.request({ ":method": "POST", ":path": "/v1/classify/shapes" });
    const refused = new Promise<number>((resolve) => {
      stream.on("error", () => resolve(stream.rstCode ?? 0));
    });
    return { stream, refused };
  });
  const [settings] = (await once(session, "remoteSettings")) as [http2.Settings];

  expect(settings.maxConcurrentStreams).toBe(3);
  // Those that were sent before the settings came are refused as never begun.
  const codes = opened.slice(3).map(({ refused }) => refused);
  expect(await Promise.all(codes)).toEqual(
    Array.from({ length: 2 }, () => http2.constants.NGHTTP2_REFUSED_STREAM),
  );
  session.destroy();
  expect(await livez(running.url)).toBe(200);
});

test("sessions that open streams, declare a megabyte each, send nothing and go leave a listener that accepts", async () => {
  const { running } = await gatewayWith({});
  const leave: readonly ((session: http2.ClientHttp2Session, socket: net.Socket) => void)[] = [
    (session) => session.destroy(),
    (_session, socket) => socket.resetAndDestroy(),
    (_session, socket) => socket.end(),
    (session) => session.close(),
  ];
  for (const [index, go] of leave.entries()) {
    const sessions = Array.from({ length: index === 0 ? 50 : 10 }, () => {
      const socket = net.connect(running.gateway.port, "127.0.0.1");
      const session = http2.connect(running.url, { createConnection: () => socket });
      session.on("error", () => {});
      for (let count = 0; count < 100; count += 1) {
        const stream = session.request({
          ":method": "POST",
          ":path": "/v1/classify/shapes",
          "content-length": "1000000",
        });
        stream.on("error", () => {});
      }
      return { session, socket };
    });
    await Promise.all(sessions.map(({ session }) => once(session, "remoteSettings")));
    for (const { session, socket } of sessions) go(session, socket);
    expect(await livez(running.url)).toBe(200);
    for (const { session } of sessions) session.destroy();
    await expect.poll(() => running.gateway.load().connections, { timeout: 20_000 }).toBe(0);
    expect(running.gateway.load().bytesInFlight).toBe(0);
  }
}, 60_000);

test.skipIf(process.platform === "win32")(
  "without file descriptors connections are refused and reported, replicas are reached, and later ones are accepted",
  async () => {
    await using replica = await startFakeReplica();
    const script = fileURLToPath(new URL("../support/gateway-script.ts", import.meta.url));
    const command = `ulimit -n 128 && exec "$0" --conditions=@tensorgate/source "$1" ${replica.port}`;
    const child = spawn("sh", ["-c", command, process.execPath, script], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    onTestFinished(() => void child.kill("SIGKILL"));
    let said = "";
    child.stderr.on("data", (chunk: Buffer) => {
      said += chunk.toString("utf8");
    });
    const port = await printedPort(child);
    const url = `http://127.0.0.1:${port}`;
    const sockets = await Promise.all(Array.from({ length: 200 }, () => connected(port)));

    await expect.poll(() => said).toContain("rejected: file-limit");
    await expect.poll(() => sockets.filter(({ closed }) => closed).length).toBeGreaterThan(70);
    for (const socket of sockets) socket.destroy();

    await expect.poll(() => livez(url).catch(() => 0)).toBe(200);
    const called = fetch(`${url}/v1/classify/m`, { method: "POST", body: "no picture" });
    expect((await called).status).toBe(415);
  },
);
