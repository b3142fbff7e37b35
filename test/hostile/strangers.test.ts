import { createHash } from "node:crypto";
import { once } from "node:events";
import http2 from "node:http2";
import net from "node:net";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { samplePicture } from "../support/pictures.ts";
import { type RunningGateway, startShapesGateway } from "../support/running-gateway.ts";

const key = `tg_known_${"s".repeat(43)}`;
const sha256 = createHash("sha256").update(key).digest("hex");

let running: RunningGateway;
beforeAll(async () => {
  running = await startShapesGateway({ keys: [{ id: "known", sha256, models: ["*"] }] });
});
afterAll(() => running[Symbol.asyncDispose]());

// Whatever came before, the next caller is served, and nothing is still counted.
afterEach(async () => {
  const response = await fetch(`${running.url}/v1/classify/shapes`, {
    method: "POST",
    headers: { "x-api-key": key },
    body: samplePicture("star"),
  });
  expect(response.status).toBe(200);
  await response.arrayBuffer();
  await expect.poll(() => running.gateway.load().bytesInFlight).toBe(0);
});

const body = Buffer.alloc(33_554_432);

test.each([
  { name: "a wrong key", path: "/v1/classify/shapes", header: "x-api-key: nothing", status: 401 },
  { name: "no key", path: "/v1/classify/shapes", header: "a: b", status: 401 },
  {
    name: "no key, by Connect",
    path: "/tensorgate.v1.ScoringService/Classify",
    header: "content-type: application/json",
    status: 401,
  },
  { name: "no route", path: "/nowhere", header: "a: b", status: 404 },
  { name: "no need of a body", path: "/v1/models/shapes", header: `x: ${key}`, status: 400 },
])("of 32 MiB with $name little is read, and $status is answered", async (sent) => {
  const socket = net.connect({ port: running.gateway.port, host: "127.0.0.1" });
  socket.on("error", () => {});
  let received = "";
  socket.on("data", (chunk) => {
    received += chunk.toString("latin1");
  });
  const ended = once(socket, "end");

  socket.write(
    `POST ${sent.path} HTTP/1.1\r\nhost: localhost\r\n${sent.header}\r\ncontent-length: ${body.length}\r\n\r\n`,
  );
  socket.write(body);
  await ended;

  expect(received).toMatch(new RegExp(`^HTTP/1\\.1 ${sent.status} `));
  socket.destroy();
});

test.each([
  { name: "a valid key", headers: { "x-api-key": key }, status: 415, windowBytes: 262_144 },
  { name: "a wrong key", headers: { "x-api-key": `${key}s` }, status: 401, windowBytes: 65_536 },
  { name: "no key", headers: {}, status: 401, windowBytes: 65_536 },
])("over HTTP/2, $windowBytes bytes may be sent ahead with $name", async (sent) => {
  const session = http2.connect(running.url);
  session.on("error", () => {});
  const stream = session.request({
    ":method": "POST",
    ":path": "/v1/classify/shapes",
    "content-type": "text/plain",
    ...sent.headers,
  });
  stream.on("error", () => {}).write(body.subarray(0, 1_000_000));

  const [answered] = (await once(stream, "response")) as [http2.IncomingHttpHeaders];

  expect(answered[":status"]).toBe(sent.status);
  await expect.poll(() => session.remoteSettings.initialWindowSize).toBe(sent.windowBytes);
  session.destroy();
});
