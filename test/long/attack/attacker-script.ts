// Sends a gateway every kind of hostile request, one after the other, in rounds, until its parent goes away.
// Prints the name of each attack as it begins, and `round N` when all of them have been tried.
import http2 from "node:http2";
import net from "node:net";
import { gzipSync } from "node:zlib";
import { samplePicture } from "../../support/pictures.ts";
import { http2Frame, http2Opening, indexedField } from "../../support/raw-http.ts";
import {
  blackPng,
  classifyMessage,
  emptyFilters,
  emptyParts,
  emptyPictures,
  emptyWebpChunks,
  framed,
  jpegOf,
  jsonPictures,
  mapEntries,
  packedShape,
  unknownFields,
} from "./hostile-bodies.ts";

const [port = "", key = "", localAddress = "127.0.0.1"] = process.argv.slice(2);
process.once("disconnect", () => process.exit(0));

/** Bytes of a large body, and how long an attack that would wait is kept up, in milliseconds. */
const large = 16 * 2 ** 20;
const patienceMs = 2_500;

const authorization = { authorization: `Bearer ${key}` };

function connected(): http2.ClientHttp2Session {
  const session = http2.connect(`http://127.0.0.1:${port}`, {
    createConnection: () => net.connect({ port: Number(port), host: "127.0.0.1", localAddress }),
    settings: { initialWindowSize: 1_048_576 },
  });
  session.on("error", () => {});
  return session;
}

/** Resolves when the session is closed, by the gateway or after a while by us. */
async function kept(session: http2.ClientHttp2Session, forMs = patienceMs): Promise<void> {
  const timer = setTimeout(() => session.destroy(), forMs);
  await new Promise<void>((resolve) => session.once("close", () => resolve()));
  clearTimeout(timer);
}

/** One request with a body; resolves when it is answered, or the gateway ended it. */
async function post(
  path: string,
  headers: Record<string, string>,
  body: Uint8Array,
): Promise<void> {
  const session = connected();
  const stream = session.request({ ":method": "POST", ":path": path, ...headers });
  stream.on("error", () => {});
  stream.on("end", () => session.destroy()).resume();
  stream.on("close", () => session.destroy());
  stream.end(body);
  const timer = setTimeout(() => session.destroy(), 20_000);
  await new Promise<void>((resolve) => session.once("close", () => resolve()));
  clearTimeout(timer);
}

const scoring = "/tensorgate.v1.ScoringService";
const grpc = { "content-type": "application/grpc", te: "trailers" };
const health = "/grpc.health.v1.Health/Check";
const star = samplePicture("star");

/** A stream of pictures that ends badly with so many of them under way. */
async function badStream(
  pictureCount: number,
  ending: "garbage" | "cut" | "silence",
): Promise<void> {
  const session = connected();
  const stream = session.request({
    ":method": "POST",
    ":path": `${scoring}/ClassifyStream`,
    ...grpc,
    ...authorization,
  });
  stream.on("error", () => {}).resume();
  for (let sent = 0; sent < pictureCount; sent += 1)
    stream.write(framed(classifyMessage("m", star)));
  if (ending === "garbage") stream.write(framed(Buffer.of(0xff, 0xff, 0xff)));
  if (ending === "cut")
    stream.write(framed(Buffer.alloc(1_000)).subarray(0, 500), () => session.destroy());
  // Longer than the gateway lets a stream be silent.
  await kept(session, 6_000);
}

/** Streams that declare a body and send a byte of it, or nothing. */
async function declaredOnly(
  connections: number,
  declared: number,
  piece: Uint8Array,
): Promise<void> {
  const sessions = Array.from({ length: connections }, connected);
  for (const session of sessions) {
    for (let count = 0; count < 100; count += 1) {
      const stream = session.request({
        ":method": "POST",
        ":path": "/v1/classify/m",
        "content-type": "image/jpeg",
        "content-length": String(declared),
        ...authorization,
      });
      stream.on("error", () => {});
      if (piece.length > 0) stream.write(piece);
    }
  }
  await new Promise((resolve) => setTimeout(resolve, 500));
  for (const session of sessions) session.destroy();
}

/** Asks for long answers with a window of nothing, and never reads one. */
async function slowReaders(connections: number): Promise<void> {
  const sessions = Array.from({ length: connections }, () =>
    http2.connect(`http://127.0.0.1:${port}`, {
      createConnection: () => net.connect({ port: Number(port), host: "127.0.0.1", localAddress }),
      settings: { initialWindowSize: 0 },
    }),
  );
  for (const session of sessions) {
    session.on("error", () => {});
    for (let count = 0; count < 4; count += 1) {
      const stream = session.request({
        ":method": "POST",
        ":path": "/v1/classify/wide?topK=50000",
        "content-type": "image/jpeg",
        ...authorization,
      });
      stream.on("error", () => {});
      stream.end(star);
    }
  }
  await Promise.all(sessions.map(kept));
}

async function decoders(): Promise<void> {
  const bodies = [blackPng(1, 25_000_000), blackPng(25_000_000, 1), blackPng(5_000, 5_000)];
  await Promise.all(
    Array.from({ length: 12 }, (_, index) =>
      post(
        "/v1/classify/pixels",
        { "content-type": "image/png", ...authorization },
        bodies[index % 3] as Buffer,
      ),
    ),
  );
}

/** Pictures on one stream for as long as that is let be, and nothing read of what comes back. */
async function endlessStream(): Promise<void> {
  const session = connected();
  const stream = session.request({
    ":method": "POST",
    ":path": `${scoring}/ClassifyStream`,
    ...grpc,
    ...authorization,
  });
  stream.on("error", () => {});
  const message = framed(classifyMessage("m", Buffer.concat([star, Buffer.alloc(500_000)])));
  const write = () => {
    while (!stream.destroyed && !stream.writableEnded && stream.write(message));
  };
  stream.on("drain", write);
  write();
  await kept(session);
}

/** A request whose body comes in pieces of a byte, on and on. */
async function tinyPieces(head: Buffer, piece: Buffer): Promise<void> {
  const socket = net.connect({ port: Number(port), host: "127.0.0.1", localAddress });
  socket.on("error", () => {}).resume();
  socket.write(head);
  socket.write(Buffer.alloc(200_000 * piece.length, piece));
  const timer = setTimeout(() => socket.destroy(), patienceMs);
  await new Promise<void>((resolve) => socket.once("close", () => resolve()));
  clearTimeout(timer);
}

const chunkedHead = Buffer.from(
  "POST /v1/classify/m HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n",
);
const http2Head = Buffer.concat([
  http2Opening,
  http2Frame(
    "headers",
    1,
    Buffer.concat([
      Buffer.of(0x83, 0x86),
      indexedField(":path", "/v1/classify/m"),
      indexedField(":authority", "x"),
    ]),
    0x4,
  ),
]);

/** Streams that Node would answer by itself and leave open. */
async function openTunnels(): Promise<void> {
  const session = connected();
  for (let count = 0; count < 50; count += 1) {
    const connect = { ":method": "CONNECT", ":authority": "x:1" };
    session.request(connect, { endStream: false }).on("error", () => {});
  }
  await kept(session);
}

const gzip = { "content-encoding": "gzip" };
const json = { "content-type": "application/json" };
const form = { "content-type": "multipart/form-data; boundary=b" };
const picture = { "content-type": "image/jpeg" };

const attacks: Readonly<Record<string, () => Promise<void>>> = {
  "unknown fields, no key": () => post(health, grpc, framed(unknownFields(large))),
  "unknown fields as gzip, no key": () =>
    post(health, { ...grpc, "grpc-encoding": "gzip" }, framed(gzipSync(unknownFields(large)), 1)),
  "unknown fields": () =>
    post(`${scoring}/Classify`, { ...grpc, ...authorization }, framed(unknownFields(large))),
  "empty pictures": () =>
    post(`${scoring}/Classify`, { ...grpc, ...authorization }, framed(emptyPictures(large))),
  "a packed shape": () =>
    post(`${scoring}/Predict`, { ...grpc, ...authorization }, framed(packedShape(large))),
  "empty output filters": () =>
    post(`${scoring}/Predict`, { ...grpc, ...authorization }, framed(emptyFilters(large))),
  "map entries": () =>
    post(`${scoring}/Predict`, { ...grpc, ...authorization }, framed(mapEntries(300_000))),
  "pictures as JSON": () =>
    post(
      `${scoring}/Classify`,
      { ...json, ...authorization },
      Buffer.from(jsonPictures(2_000_000)),
    ),
  "seven pictures and a bad frame": () => badStream(7, "garbage"),
  "eight pictures and a bad frame": () => badStream(8, "garbage"),
  "nine pictures and a bad frame": () => badStream(9, "garbage"),
  "eight pictures and half a frame": () => badStream(8, "cut"),
  "eight pictures and silence": () => badStream(8, "silence"),
  "a form of empty files": () =>
    post("/v1/classify/m", { ...form, ...authorization }, emptyParts(large, true)),
  "a form of empty fields": () =>
    post("/v1/classify/m", { ...form, ...authorization }, emptyParts(large, false)),
  "declared, one byte sent": () => declaredOnly(20, 33_554_432, Buffer.of(0xff)),
  "declared, nothing sent": () => declaredOnly(50, 1_000_000, Buffer.alloc(0)),
  "readers that do not read": () => slowReaders(60),
  "empty chunks of WebP as gzip": () =>
    post(
      "/v1/classify/m",
      { ...picture, ...gzip, ...authorization },
      gzipSync(emptyWebpChunks(2 * large)),
    ),
  "fill bytes of JPEG": () =>
    post("/v1/classify/m", { ...picture, ...authorization }, jpegOf([0xff], large)),
  "restart marks of JPEG": () =>
    post("/v1/classify/m", { ...picture, ...authorization }, jpegOf([0xff, 0xd0], large)),
  "empty segments of JPEG": () =>
    post("/v1/classify/m", { ...picture, ...authorization }, jpegOf([0xff, 0xe1, 0, 2], large)),
  "every label of many": () =>
    post("/v1/classify/wide?topK=50000", { ...picture, ...authorization }, star),
  "pictures that take long to decode": decoders,
  "a stream without end": endlessStream,
  "chunks of a byte, no key": () => tinyPieces(chunkedHead, Buffer.from("1\r\na\r\n")),
  "frames of a byte, no key": () => tinyPieces(http2Head, http2Frame("data", 1, Buffer.of(0))),
  "tunnels, no key": openTunnels,
};

for (let round = 1; ; round += 1) {
  for (const [name, attack] of Object.entries(attacks)) {
    process.stdout.write(`${name}\n`);
    await attack();
  }
  process.stdout.write(`round ${round}\n`);
}
