import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import { gzipSync } from "node:zlib";
import { create, toBinary } from "@bufbuild/protobuf";
import { ClassifyRequestSchema } from "@tensorgate/proto/tensorgate/v1/scoring";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { type FakeReplica, startFakeReplica } from "../support/fake-replica.ts";
import { samplePicture } from "../support/pictures.ts";
import { type RunningGateway, startGateway } from "../support/running-gateway.ts";
import { shapesOutputs } from "../support/shapes-answers.ts";

const maxBodyBytes = 200_000;

let replica: FakeReplica;
let running: RunningGateway;
beforeAll(async () => {
  replica = await startFakeReplica();
  running = await startGateway({ westeurope: [replica.address] }, { requests: { maxBodyBytes } });
});
afterAll(async () => {
  await running[Symbol.asyncDispose]();
  await replica[Symbol.asyncDispose]();
});

const star = samplePicture("star");
const bytesInFlight = () => running.gateway.load().bytesInFlight;

// Whatever came before, the listener accepts, the next caller is answered, and nothing is still counted.
afterEach(async () => {
  const answer = fetch(`${running.url}/v1/classify/shapes`, { method: "POST", body: star });
  (await replica.nextPredict()).succeed(shapesOutputs());
  expect((await answer).status).toBe(200);
  await expect.poll(bytesInFlight).toBe(0);
});

/** A JPEG by its first bytes, of any length. */
function pictureOf(byteCount: number): Buffer {
  return Buffer.concat([star, Buffer.alloc(byteCount - star.byteLength)]);
}

test("a body over HTTP/1.1 that declares no length is refused where it exceeds the limit", async () => {
  const before = replica.predictCount();
  const request = http.request(`${running.url}/v1/classify/shapes`, {
    method: "POST",
    headers: { "transfer-encoding": "chunked" },
  });
  const answered = once(request, "response") as Promise<[http.IncomingMessage]>;
  request.write(pictureOf(maxBodyBytes));
  request.end(Buffer.alloc(1));

  const [response] = await answered;
  response.resume();
  await once(response, "end");

  expect(response.statusCode).toBe(413);
  expect(replica.predictCount()).toBe(before);
});

test("a body over HTTP/2 that declares no length is refused where it exceeds the limit", async () => {
  const before = replica.predictCount();
  const session = http2.connect(running.url);
  const stream = session.request({ ":method": "POST", ":path": "/v1/classify/shapes" });
  stream.on("error", () => {});
  const answered = once(stream, "response") as Promise<[http2.IncomingHttpHeaders]>;
  stream.write(pictureOf(maxBodyBytes));
  stream.end(Buffer.alloc(1));

  const [headers] = await answered;
  session.destroy();

  expect(headers[":status"]).toBe(413);
  expect(replica.predictCount()).toBe(before);
});

test("a body of just the limit is taken", async () => {
  const answer = fetch(`${running.url}/v1/classify/shapes`, {
    method: "POST",
    body: new Uint8Array(pictureOf(maxBodyBytes)),
  });

  (await replica.nextPredict()).succeed(shapesOutputs());

  expect((await answer).status).toBe(200);
});

test("an upload over HTTP/2 that is cut in the middle is no picture", async () => {
  const before = replica.predictCount();
  const session = http2.connect(running.url);
  session.on("error", () => {});
  const stream = session.request({ ":method": "POST", ":path": "/v1/classify/shapes" });
  stream.on("error", () => {});
  stream.write(pictureOf(50_000));
  await expect.poll(bytesInFlight).toBeGreaterThanOrEqual(50_000);

  session.destroy();
  await expect.poll(bytesInFlight).toBe(0);

  expect(replica.predictCount()).toBe(before);
});

const message = toBinary(
  ClassifyRequestSchema,
  create(ClassifyRequestSchema, {
    modelSpec: { name: "shapes" },
    pictures: [{ source: { case: "data", value: new Uint8Array(pictureOf(1_000_000)) } }],
  }),
);

function framed(packed: Buffer): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt8(1, 0);
  prefix.writeUInt32BE(packed.byteLength, 1);
  return Buffer.concat([prefix, packed]);
}

test.each([
  { type: "application/grpc", encoding: "grpc-encoding", frame: framed },
  { type: "application/proto", encoding: "content-encoding", frame: (packed: Buffer) => packed },
])("a packed message of $type counts as what it became", async ({ type, encoding, frame }) => {
  const session = http2.connect(running.url);
  const stream = session.request({
    ":method": "POST",
    ":path": "/tensorgate.v1.ScoringService/Classify",
    "content-type": type,
    [encoding]: "gzip",
  });
  stream.end(frame(gzipSync(message)));

  const call = await replica.nextPredict();
  const counted = bytesInFlight();
  call.succeed(shapesOutputs());
  stream.resume();
  await once(stream, "end");
  session.destroy();

  expect(counted).toBeGreaterThanOrEqual(1_000_000);
});
