import { createHash } from "node:crypto";
import { once } from "node:events";
import http2 from "node:http2";
import net from "node:net";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { samplePicture } from "../support/pictures.ts";
import { talkRaw } from "../support/raw-http.ts";
import { type RunningGateway, startShapesGateway } from "../support/running-gateway.ts";

const key = `tg_app_${"s".repeat(43)}`;
const keys = [{ id: "app", sha256: createHash("sha256").update(key).digest("hex"), models: ["*"] }];
const star = samplePicture("star");

let running: RunningGateway;
let port: number;
beforeAll(async () => {
  running = await startShapesGateway({ keys });
  port = running.gateway.port;
});
afterAll(() => running[Symbol.asyncDispose]());

const get = (target: string, ...lines: readonly string[]) =>
  `GET ${target} HTTP/1.1\r\n${lines.map((line) => `${line}\r\n`).join("")}connection: close\r\n\r\n`;

test.each([
  { name: "two Host headers", request: get("/livez", "host: localhost", "Host: localhost") },
  { name: "no Host header", request: get("/livez") },
  { name: "a Host with a path", request: get("/livez", "host: localhost/x") },
  { name: "a Host with a user", request: get("/livez", "host: me@localhost") },
  { name: "a target without an authority", request: get("http:///livez", "host: localhost") },
  { name: "a target with a user", request: get("http://me@localhost/livez", "host: localhost") },
  { name: "a target of another scheme", request: get("ftp://localhost/livez", "host: localhost") },
  { name: "a target that is no path", request: get("livez", "host: localhost") },
])("$name is a bad request", async ({ request }) => {
  expect(await talkRaw(port, [request])).toMatch(/^HTTP\/1\.1 400 /);
});

test.each([
  { target: "http://localhost/livez", status: 200 },
  { target: "HTTP://LOCALHOST:8080/livez?x=http://y/", status: 200 },
  { target: "https://127.0.0.1/livez", status: 200 },
  { target: "http://localhost", status: 404 },
  { target: "http://localhost?x=1", status: 404 },
])("the target $target means its path", async ({ target, status }) => {
  expect(await talkRaw(port, [get(target, "host: localhost")])).toMatch(
    new RegExp(`^HTTP/1\\.1 ${status} `),
  );
});

test("the authority of the target counts, not that of Host", async () => {
  const foreign = await talkRaw(port, [get("http://evil.example/livez", "host: localhost")]);
  const own = await talkRaw(port, [get("http://localhost/livez", "host: evil.example")]);

  expect(foreign).toMatch(/^HTTP\/1\.1 403 /);
  expect(own).toMatch(/^HTTP\/1\.1 200 /);
});

test("over HTTP/2 a host that differs from the authority is a bad request", async () => {
  const session = http2.connect(running.url);
  const statusOf = async (host: string) => {
    const stream = session.request({ ":path": "/livez", ":authority": "localhost", host });
    stream.resume();
    const [headers] = (await once(stream, "response")) as [http2.IncomingHttpHeaders];
    return headers[":status"];
  };

  expect(await statusOf("evil.example")).toBe(400);
  expect(await statusOf("localhost")).toBe(200);
  session.destroy();
});

const expecting = (path: string, ...lines: readonly string[]) =>
  [`POST ${path} HTTP/1.1`, "host: localhost", "expect: 100-continue", ...lines, "\r\n"].join(
    "\r\n",
  );
const authorization = `authorization: Bearer ${key}`;
const classify = "/v1/classify/shapes";
const classifyRpc = "/tensorgate.v1.ScoringService/Classify";

test.each([
  { name: "no key", path: classify, lines: ["content-length: 100"], status: 401 },
  {
    name: "a bad key",
    path: classifyRpc,
    lines: ["content-type: application/proto", "x-api-key: tg_app_x", "content-length: 100"],
    status: 401,
  },
  {
    name: "too large a length",
    path: classify,
    lines: [authorization, "content-length: 99999999999"],
    status: 413,
  },
  {
    name: "too large a length of an RPC",
    path: classifyRpc,
    lines: [authorization, "content-type: application/proto", "content-length: 99999999999"],
    status: 413,
  },
  {
    name: "an unknown route",
    path: "/v1/nothing",
    lines: [authorization, "content-length: 100"],
    status: 404,
  },
  {
    name: "an unknown encoding",
    path: classify,
    lines: [authorization, "content-encoding: br", "content-length: 100"],
    status: 415,
  },
  {
    name: "an unknown encoding of an RPC",
    path: classifyRpc,
    lines: [
      authorization,
      "content-type: application/proto",
      "content-encoding: br",
      "content-length: 100",
    ],
    status: 501,
  },
])("Expect: $name is refused before the body", async ({ path, lines, status }) => {
  const socket = net.connect(port, "127.0.0.1");
  socket.on("error", () => {});
  let received = "";
  socket.on("data", (chunk: Buffer) => {
    received += chunk.toString("latin1");
  });
  socket.write(expecting(path, ...lines));
  await expect.poll(() => received).toContain("\r\n\r\n");
  socket.destroy();

  expect(received).not.toContain("100 Continue");
  // Connect has its own codes for what HTTP has a status for.
  expect(received).toMatch(/^HTTP\/1\.1 (4\d\d|501) /);
  if (path !== classifyRpc) expect(received).toContain(`HTTP/1.1 ${status} `);
  expect(received).toMatch(/connection: close/i);
});

test("Expect: a body that is wanted is asked for, and answered", async () => {
  const socket = net.connect(port, "127.0.0.1");
  let received = "";
  socket.on("data", (chunk: Buffer) => {
    received += chunk.toString("latin1");
  });
  const body = gzipSync(star);
  socket.write(
    expecting(classify, authorization, "content-encoding: gzip", `content-length: ${body.length}`),
  );
  await expect.poll(() => received).toBe("HTTP/1.1 100 Continue\r\n\r\n");
  socket.write(body);
  await expect.poll(() => received).toContain('"star"');
  expect(received).not.toMatch(/connection: close/i);
  socket.destroy();
});

test("Expect over HTTP/2: 100 where the body is wanted, and the final status alone where not", async () => {
  const session = http2.connect(running.url);
  const ask = async (headers: http2.OutgoingHttpHeaders) => {
    const stream = session.request({
      ":method": "POST",
      ":path": classify,
      expect: "100-continue",
      ...headers,
    });
    let wasContinued = false;
    stream.on("continue", () => {
      wasContinued = true;
      stream.end(star);
    });
    stream.resume();
    const [answer] = (await once(stream, "response")) as [http2.IncomingHttpHeaders];
    stream.close();
    return { wasContinued, status: answer[":status"] };
  };

  expect(await ask({ "x-api-key": key })).toEqual({ wasContinued: true, status: 200 });
  expect(await ask({})).toEqual({ wasContinued: false, status: 401 });
  session.destroy();
});
