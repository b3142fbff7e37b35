import { createHash } from "node:crypto";
import { once } from "node:events";
import http2 from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { Client, credentials, Metadata, type ServiceError, status } from "@grpc/grpc-js";
import {
  ClassifyRequestSchema,
  ModelSpecSchema,
  PictureSchema,
} from "@tensorgate/proto/tensorgate/v1/scoring";
import { expect, onTestFinished, test } from "vitest";
import { samplePicture } from "../support/pictures.ts";
import { framed, openRpc, type RawRpc } from "../support/raw-rpc.ts";
import { openGateway } from "../support/running-gateway.ts";

const key = `tg_app_${"s".repeat(43)}`;
const sha256 = createHash("sha256").update(key).digest("hex");
const withKey = { "content-type": "application/grpc", authorization: `Bearer ${key}` };
const classify = "/tensorgate.v1.ScoringService/Classify";

const shapesRequest = Buffer.from(
  toBinary(
    ClassifyRequestSchema,
    create(ClassifyRequestSchema, {
      modelSpec: create(ModelSpecSchema, { name: "shapes" }),
      pictures: [create(PictureSchema, { source: { case: "data", value: samplePicture("star") } })],
    }),
  ),
);

/** A gateway that asks for a key; what is refused needs no replica. */
async function openKeyedGateway() {
  const running = await openGateway({
    pools: [{ model: "shapes", region: "westeurope", replicas: ["127.0.0.1:9"] }],
    keys: [{ id: "app", sha256, models: ["*"] }],
    requests: { maxMessageBytes: 100_000 },
  });
  onTestFinished(() => running[Symbol.asyncDispose]());
  return running;
}

/** Sends a message as a stock client of gRPC does, with nothing of ours in it. */
function callByGrpcJs(
  url: string,
  metadata: Metadata,
  path: string = classify,
): Promise<ServiceError | null> {
  const client = new Client(new URL(url).host, credentials.createInsecure());
  onTestFinished(() => client.close());
  const same = (bytes: Buffer) => bytes;
  return new Promise((resolve) => {
    client.makeUnaryRequest(path, same, same, shapesRequest, metadata, (error) => resolve(error));
  });
}

/** The status of an answer that is a single frame, of headers. */
async function statusInOneFrame({ stream }: RawRpc): Promise<http2.IncomingHttpHeaders> {
  const [headers, flags] = await once(stream, "response");
  expect(flags & http2.constants.NGHTTP2_FLAG_END_STREAM).not.toBe(0);
  return headers;
}

test.each([
  { because: "it has no key", sent: {}, message: "missing API key" },
  { because: "its key is wrong", sent: { "x-api-key": `${key}x` }, message: "invalid API key" },
])("a stock client of gRPC sees UNAUTHENTICATED and why: $because", async ({ sent, message }) => {
  const { url } = await openKeyedGateway();
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(sent)) metadata.set(name, value);

  const error = await callByGrpcJs(url, metadata);

  expect(error).toMatchObject({ code: status.UNAUTHENTICATED, details: message });
  expect(error?.metadata.get("x-request-id")).toEqual([expect.stringMatching(/./)]);
});

test("a stock client of gRPC sees what is wrong with a call that was admitted", async () => {
  const { url } = await openKeyedGateway();
  const metadata = new Metadata();
  metadata.set("x-api-key", key);
  metadata.set("x-tensorgate-priority", "urgent");

  const error = await callByGrpcJs(url, metadata);

  expect(error?.code).toBe(status.INVALID_ARGUMENT);
  expect(error?.details).toContain("x-tensorgate-priority must be one of");
});

test.each([
  { path: "/tensorgate.v1.ScoringService/Guess", because: "the method is unknown" },
  { path: "/example.v1.OtherService/Get", because: "the service is unknown" },
  { path: "/v1/classify/shapes", because: "it is a path of REST" },
])("a stock client of gRPC sees UNIMPLEMENTED at $path: $because", async ({ path }) => {
  const { url } = await openKeyedGateway();

  expect(await callByGrpcJs(url, new Metadata(), path)).toMatchObject({
    code: status.UNIMPLEMENTED,
    details: expect.stringContaining(`unknown method ${path}; `),
  });
});

test("a message that is too large is refused by one frame of headers, before it has arrived", async () => {
  const { url } = await openKeyedGateway();
  using rpc = openRpc(url, classify, withKey);
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(100_001, 1);
  rpc.stream.write(prefix);

  expect(await statusInOneFrame(rpc)).toMatchObject({
    "grpc-status": String(status.INVALID_ARGUMENT),
    "grpc-message": expect.stringContaining("longer"),
  });
});

test("a draining gateway refuses a call that no replica can take by one frame of headers", async () => {
  const { url, gateway } = await openKeyedGateway();
  const closed = gateway.close(0, 60_000);
  using rpc = openRpc(url, classify, withKey);
  rpc.stream.end(framed(shapesRequest));

  expect(await statusInOneFrame(rpc)).toMatchObject({
    "grpc-status": String(status.UNAVAILABLE),
    "grpc-message": expect.stringContaining("replica"),
  });
  // A second close ends the draining of the first.
  await gateway.close(0);
  await closed;
});
