import { once } from "node:events";
import http2 from "node:http2";
import net from "node:net";
import { deflateSync, gzipSync } from "node:zlib";
import { create, toBinary } from "@bufbuild/protobuf";
import { manualClock } from "@tensorgate/core/testing";
import { systemClockAndRandom } from "@tensorgate/gateway";
import { ClassifyRequestSchema } from "@tensorgate/proto/tensorgate/v1/scoring";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { samplePicture } from "../support/pictures.ts";
import { type RunningGateway, startShapesGateway } from "../support/running-gateway.ts";

const clock = manualClock();
let running: RunningGateway;
beforeAll(async () => {
  running = await startShapesGateway({}, { clockAndRandom: { ...systemClockAndRandom, clock } });
});
afterAll(async () => {
  const closed = running[Symbol.asyncDispose]();
  clock.advance(1_000);
  await closed;
});

const star = samplePicture("star");

// Whatever came before, the next caller is served, and nothing is still counted.
afterEach(async () => {
  const response = await fetch(`${running.url}/v1/classify/shapes`, { method: "POST", body: star });
  expect(response.status).toBe(200);
  await response.arrayBuffer();
  await expect.poll(() => running.gateway.load().bytesInFlight).toBe(0);
});

const message = toBinary(
  ClassifyRequestSchema,
  create(ClassifyRequestSchema, {
    modelSpec: { name: "shapes" },
    pictures: [{ source: { case: "data", value: star } }],
  }),
);
const classifyPath = "/tensorgate.v1.ScoringService/Classify";

interface Answer {
  readonly headers: http2.IncomingHttpHeaders;
  readonly trailers: http2.IncomingHttpHeaders;
  readonly body: string;
}

/** One HTTP/2 request, sent as it is; `pieces` may never end. */
async function http2Post(
  path: string,
  headers: Record<string, string>,
  send: (stream: http2.ClientHttp2Stream) => void,
): Promise<Answer> {
  const session = http2.connect(running.url);
  session.on("error", () => {});
  const stream = session.request({ ":method": "POST", ":path": path, ...headers });
  let answered: http2.IncomingHttpHeaders = {};
  let trailers: http2.IncomingHttpHeaders = {};
  const chunks: Buffer[] = [];
  stream.on("response", (received) => {
    answered = received;
  });
  stream.on("trailers", (received) => {
    trailers = received;
  });
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  stream.on("error", () => {});
  send(stream);
  await new Promise((resolve) => stream.once("end", resolve).once("close", resolve));
  session.destroy();
  return { headers: answered, trailers, body: Buffer.concat(chunks).toString("latin1") };
}

function framed(bytes: Uint8Array, flags = 0): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt8(flags, 0);
  prefix.writeUInt32BE(bytes.byteLength, 1);
  return Buffer.concat([prefix, bytes]);
}

const protocols = [
  {
    name: "REST",
    path: "/v1/classify/shapes",
    type: "image/jpeg",
    encodingHeader: "content-encoding",
    frame: (bytes: Uint8Array) => Buffer.from(bytes),
  },
  {
    name: "Connect",
    path: classifyPath,
    type: "application/proto",
    encodingHeader: "content-encoding",
    frame: (bytes: Uint8Array) => Buffer.from(bytes),
  },
  {
    name: "gRPC",
    path: classifyPath,
    type: "application/grpc",
    encodingHeader: "grpc-encoding",
    frame: framed,
  },
  {
    name: "gRPC-Web",
    path: classifyPath,
    type: "application/grpc-web",
    encodingHeader: "grpc-encoding",
    frame: framed,
  },
] as const;

const payloadOf = (name: string) => (name === "REST" ? star : message);

/** The reason of an answer in whatever form: problem details, or the text of `google.rpc.ErrorInfo` in them. */
function reasonOf({ headers, trailers, body }: Answer): string {
  const details = String(
    headers["grpc-status-details-bin"] ??
      trailers["grpc-status-details-bin"] ??
      /grpc-status-details-bin: (\S+)/.exec(body)?.[1] ??
      "",
  );
  return `${Buffer.from(details, "base64").toString("latin1")} ${body} ${[...body.matchAll(/"value":\s*"([^"]+)"/g)].map(([, value = ""]) => Buffer.from(value, "base64").toString("latin1")).join(" ")}`;
}

const packings = [
  { encoding: "gzip", pack: (bytes: Uint8Array) => gzipSync(bytes) },
  { encoding: "deflate", pack: (bytes: Uint8Array) => deflateSync(bytes) },
];
const packedProtocols = packings.flatMap((packing) =>
  protocols.map((protocol) => ({ ...protocol, ...packing })),
);

test.each(packedProtocols)(
  "$name takes a body as $encoding",
  async ({ name, path, type, encodingHeader, frame, encoding, pack }) => {
    const packed = pack(payloadOf(name));
    const answer = await http2Post(
      path,
      { "content-type": type, [encodingHeader]: encoding },
      (stream) => stream.end(frame(packed, 1)),
    );

    expect(answer.headers[":status"]).toBe(200);
    expect(answer.body).toContain("star");
  },
);

test.each(packedProtocols)(
  "$encoding bomb: $name refuses what unpacks to more than it may",
  async ({ name, path, type, encodingHeader, frame, encoding, pack }) => {
    const bomb = pack(Buffer.alloc(name === "REST" ? 33_554_433 : 67_108_865));
    const before = process.memoryUsage().rss;
    const answer = await http2Post(
      path,
      { "content-type": type, [encodingHeader]: encoding },
      (stream) => stream.end(frame(bomb, 1)),
    );

    expect(reasonOf(answer)).toContain("too-large");
    expect(process.memoryUsage().rss - before).toBeLessThan(200 * 2 ** 20);
  },
);

test.each(
  protocols.flatMap((protocol) =>
    ["br", "zstd", "compress", "gzip, gzip", "gzip, deflate", "identity, gzip"].map((encoding) => ({
      ...protocol,
      encoding,
    })),
  ),
)(
  "stacked and other encodings: $name refuses $encoding",
  async ({ path, type, encodingHeader, encoding, frame }) => {
    const answer = await http2Post(
      path,
      { "content-type": type, [encodingHeader]: encoding },
      (stream) => stream.end(frame(star, 1)),
    );

    expect(reasonOf(answer)).toContain("unsupported-media");
  },
);

test.each(protocols)(
  "$name: a body that says gzip and is none is a bad request",
  async ({ path, type, encodingHeader, frame }) => {
    const answer = await http2Post(
      path,
      { "content-type": type, [encodingHeader]: "gzip" },
      (stream) => stream.end(frame(star, 1)),
    );

    expect(reasonOf(answer)).toContain("invalid-request");
  },
);

test.each(protocols)(
  "slow body: $name over HTTP/2 gives up on it",
  async ({ path, type, frame }) => {
    const answer = await http2Post(
      path,
      {
        "content-type": type,
        "x-tensorgate-timeout-ms": "60000",
        ...(type.includes("grpc") && { "grpc-timeout": "60S" }),
      },
      (stream) => {
        stream.write(frame(star).subarray(0, 20));
        stream.once("ready", async () => {
          await expect.poll(() => running.gateway.load().bytesInFlight).toBeGreaterThan(0);
          clock.advance(5_000);
        });
      },
    );

    expect(reasonOf(answer)).toContain("deadline-exceeded");
    expect(reasonOf(answer)).toContain("less than 8192 bytes per second");
  },
);

test("slow body: REST over HTTP/1.1 gets the error, and the connection is cut when it goes on", async () => {
  const socket = net.connect(running.gateway.port, "127.0.0.1");
  socket.on("error", () => {});
  let received = "";
  socket.on("data", (chunk) => {
    received += chunk.toString("latin1");
  });
  const closed = new Promise((resolve) => socket.once("close", resolve));
  await once(socket, "connect");
  socket.write(
    "POST /v1/classify/shapes HTTP/1.1\r\nhost: localhost\r\nx-tensorgate-timeout-ms: 60000\r\ncontent-length: 100000\r\n\r\nabc",
  );
  await expect.poll(() => running.gateway.load().bytesInFlight).toBe(4_096);

  clock.advance(5_000);
  await expect.poll(() => received).toContain("less than 8192 bytes per second");
  clock.advance(5_000);
  await closed;

  expect(received).toMatch(/^HTTP\/1\.1 504 /);
});

test("a caller who was refused and goes on sending is cut after a while, and loses no answer", async () => {
  const socket = net.connect(running.gateway.port, "127.0.0.1");
  socket.on("error", () => {});
  let received = "";
  socket.on("data", (chunk) => {
    received += chunk.toString("latin1");
  });
  const closed = new Promise((resolve) => socket.once("close", resolve));
  await once(socket, "connect");
  socket.write(
    "POST /v1/classify/shapes HTTP/1.1\r\nhost: localhost\r\ncontent-length: 999999999\r\n\r\n",
  );
  socket.write(Buffer.alloc(1_000_000));
  await expect.poll(() => received).toContain('"too-large"');

  clock.advance(5_000);
  await closed;
});

test("a caller who was rejected over HTTP/2 gets the signal to stop sending", async () => {
  const session = http2.connect(running.url);
  const headers = { ":method": "POST", ":path": "/v1/classify/shapes", "content-type": "text/css" };
  const stream = session.request(headers);
  stream.resume();
  const [answered] = (await once(stream, "response")) as [http2.IncomingHttpHeaders];
  await once(stream, "end");

  clock.advance(5_000);
  await once(stream, "close");

  expect(answered[":status"]).toBe(415);
  expect(stream.rstCode).toBe(http2.constants.NGHTTP2_NO_ERROR);
  session.destroy();
});

const inJson = (picture: string) =>
  `{"modelSpec":{"name":"shapes"},"pictures":[{"data":"${picture}"}]}`;
const nested = `${'{"a":['.repeat(20_000)}1${"]}".repeat(20_000)}`;

test.each([
  { name: "deep JSON", rest: "[".repeat(100_000), rpc: `{"x":${nested}}` },
  {
    name: "__proto__",
    rest: '{"image":{"b64":"AAAA"},"__proto__":{"x":1}}',
    rpc: '{"modelSpec":{"name":"shapes"},"__proto__":{"x":1},"pictures":[{"data":"AAAA","__proto__":{"x":1}}]}',
  },
  { name: "base64 of a wrong length", rest: '{"image":{"b64":"AAAAA"}}', rpc: inJson("AAAAA") },
])("$name is the caller's mistake, in REST and in Connect", async ({ rest, rpc }) => {
  const headers = { "content-type": "application/json" };
  const post = (path: string, body: string) =>
    fetch(`${running.url}${path}`, { method: "POST", headers, body });

  const byRest = await post("/v1/classify/shapes", rest);
  const byRpc = await post(classifyPath, rpc);

  expect(byRest.status).toBe(400);
  expect(await byRest.json()).toMatchObject({ reason: "invalid-request" });
  expect([400, 415]).toContain(byRpc.status);
  await byRpc.arrayBuffer();
  expect(({} as Record<string, unknown>)["x"]).toBeUndefined();
});

test("a name like __proto__ among the tensors of a Predict reaches no prototype", async () => {
  const body =
    '{"modelSpec":{"name":"shapes"},"inputs":{"__proto__":{"dtype":"FP32","shape":["1"],"x":1}}}';
  const response = await fetch(`${running.url}/tensorgate.v1.ScoringService/Predict`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body,
  });

  expect(response.status).toBeGreaterThanOrEqual(400);
  expect(response.status).not.toBe(500);
  expect(({} as Record<string, unknown>)["dtype"]).toBeUndefined();
});

test.each([
  { name: "empty WebP chunks", start: webpStart(), piece: Buffer.alloc(8) },
  { name: "JPEG fill bytes", start: Buffer.from([0xff, 0xd8, 0xff]), piece: Buffer.from([0xff]) },
  {
    name: "JPEG restart markers",
    start: Buffer.from([0xff, 0xd8, 0xff, 0xd0]),
    piece: Buffer.from([0xff, 0xd0]),
  },
  {
    name: "empty JPEG segments",
    start: Buffer.from([0xff, 0xd8]),
    piece: Buffer.from([0xff, 0xe1, 0, 2]),
  },
])("a little gzip that unpacks to 31 MiB of $name is refused by its header", async (each) => {
  const picture = Buffer.concat([each.start, Buffer.alloc(31 * 2 ** 20, each.piece)]);

  const response = await fetch(`${running.url}/v1/classify/shapes`, {
    method: "POST",
    headers: { "content-encoding": "gzip" },
    body: gzipSync(picture),
  });

  expect(response.status).toBe(415);
  expect(await response.json()).toMatchObject({
    reason: "unsupported-media",
    detail: expect.stringContaining("header has more than"),
  });
});

/** The header chunk of an extended WebP that says that there is Exif somewhere. */
function webpStart(): Buffer {
  const start = Buffer.from("RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\x08\0\0\0", "latin1");
  return Buffer.concat([start, Buffer.alloc(6, 9)]);
}
