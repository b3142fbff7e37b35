import { create, toBinary, toJsonString } from "@bufbuild/protobuf";
import { ClassifyRequestSchema } from "@tensorgate/proto/tensorgate/v1/scoring";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type FakeReplica, startFakeReplica } from "../support/fake-replica.ts";
import { samplePicture } from "../support/pictures.ts";
import { framed, openRpc, type RawAnswer, rpcProtocols } from "../support/raw-rpc.ts";
import { openGateway, type RunningGateway } from "../support/running-gateway.ts";
import { shapesOutputs } from "../support/shapes-answers.ts";

// Calls of one message are answered without the library. Here each is sent in both ways, and answered alike.

const classify = "/tensorgate.v1.ScoringService/Classify";
const predict = "/tensorflow.serving.PredictionService/Predict";
const infer = "/inference.GRPCInferenceService/ModelInfer";
const maxMessageBytes = 50_000;

let replica: FakeReplica;
let running: RunningGateway;
beforeAll(async () => {
  replica = await startFakeReplica({ answer: () => shapesOutputs() });
  running = await openGateway({
    pools: [{ model: "shapes", region: "westeurope", replicas: [replica.address] }],
    requests: { maxMessageBytes },
  });
});
afterAll(async () => {
  await running[Symbol.asyncDispose]();
  await replica[Symbol.asyncDispose]();
});

/** A header by which the library reads a message that comes plain all the same. */
const byLibrary = { "grpc-encoding": "gzip" };

function classifyRequest(name: string, data: Uint8Array = samplePicture("star")): Uint8Array {
  const message = {
    modelSpec: { name },
    pictures: [{ id: "a", source: { case: "data" as const, value: Uint8Array.from(data) } }],
  };
  return toBinary(ClassifyRequestSchema, create(ClassifyRequestSchema, message));
}

const star = classifyRequest("shapes");

/** The request for a star in JSON. */
function classifyJson(more: { readonly modelSpec: { readonly name: string } }): string {
  const source = { case: "data" as const, value: Uint8Array.from(samplePicture("star")) };
  const message = create(ClassifyRequestSchema, { ...more, pictures: [{ id: "a", source }] });
  return toJsonString(ClassifyRequestSchema, message);
}

interface Sent {
  readonly because: string;
  readonly path?: string;
  readonly message?: Uint8Array;
  /** The body, where it is not the message in the form of the protocol. */
  readonly body?: Uint8Array;
  /** How often the message comes. */
  readonly count?: number;
  readonly headers?: Record<string, string>;
  /** Pieces of one byte. */
  readonly isTrickled?: boolean;
}

const calls: readonly Sent[] = [
  { because: "a picture is scored", message: star },
  { because: "one that comes byte by byte is scored", message: star, isTrickled: true },
  { because: "the model is unknown", message: classifyRequest("nothing") },
  { because: "the picture is empty", message: classifyRequest("shapes", new Uint8Array()) },
  { because: "there is no model spec", message: new Uint8Array() },
  { because: "the message is no protobuf", message: Uint8Array.of(0xff, 0xff, 0xff) },
  { because: "the message has a field in another layout", message: Uint8Array.of(0x08, 1) },
  { because: "the message is too long", message: new Uint8Array(maxMessageBytes + 1) },
  { because: "the message has no end", body: framed(star).subarray(0, 100) },
  { because: "its prefix has no end", body: Buffer.of(0, 0, 0) },
  { because: "there are two messages", message: star, count: 2 },
  { because: "its flags are unknown", body: framed(star, 8) },
  { because: "its timeout is none", message: star, headers: { "grpc-timeout": "soon" } },
  { because: "its priority is none", message: star, headers: { "x-tensorgate-priority": "x" } },
  { because: "a Predict names no model", path: predict, message: new Uint8Array() },
  { because: "a ModelInfer names no model", path: infer, message: new Uint8Array() },
  { because: "a ModelInfer cannot be read", path: infer, message: Uint8Array.of(0x0a, 0xff, 1) },
  { because: "a Predict cannot be read", path: predict, message: Uint8Array.of(0x0a, 0xff, 1) },
];

describe.each(rpcProtocols)("$name", ({ name, type }) => {
  const isEnveloped = name !== "Connect";

  async function answerTo(sent: Sent, extra: Record<string, string>): Promise<RawAnswer> {
    const { path = classify, message = star, count = 1, headers = {}, isTrickled } = sent;
    const whole = isEnveloped ? framed(message) : message;
    const body = sent.body ?? Buffer.concat(Array.from({ length: count }, () => whole));
    using rpc = openRpc(running.url, path, {
      "content-type": type,
      "x-request-id": "same",
      ...headers,
      ...extra,
    });
    if (isTrickled) for (const byte of body.subarray(0, 300)) rpc.stream.write(Buffer.of(byte));
    rpc.stream.end(isTrickled ? body.subarray(300) : body);
    return await rpc.answer;
  }

  test.each(calls)("is answered as by the library when $because", async (sent) => {
    const ours = await answerTo(sent, {});
    const theirs = await answerTo(sent, byLibrary);

    expect(ours.headers[":status"]).toBeDefined();
    expect(comparable(ours)).toEqual(comparable(theirs));
  });
});

test.each([
  { because: "it is missing", body: Buffer.alloc(0), status: "12", headers: {} },
  { because: "it is compressed, and no header says so", body: framed(star, 1), status: "3" },
  {
    because: "its time is over",
    body: framed(star),
    headers: { "grpc-timeout": "0m" },
    status: "4",
  },
])("a message fails with status $status in a single frame when $because", async (sent) => {
  const headers = { "content-type": "application/grpc", ...sent.headers };
  using rpc = openRpc(running.url, classify, headers);
  rpc.stream.end(sent.body);

  const answer = await rpc.answer;

  expect(answer.headers["grpc-status"]).toBe(sent.status);
  expect(answer.trailers).toEqual({});
});

test("a stream that ends well without a message has its status after its headers", async () => {
  const headers = { "content-type": "application/grpc" };
  using rpc = openRpc(running.url, "/tensorgate.v1.ScoringService/ClassifyStream", headers);
  rpc.stream.end();

  const answer = await rpc.answer;

  expect(answer.headers["grpc-status"]).toBeUndefined();
  expect(answer.trailers["grpc-status"]).toBe("0");
});

describe("Connect in JSON", () => {
  const starJson = classifyJson({ modelSpec: { name: "shapes" } });

  const jsonCalls: readonly (Sent & { readonly text: string })[] = [
    { because: "a picture is scored", text: starJson },
    { because: "one that comes byte by byte is scored", text: starJson, isTrickled: true },
    {
      because: "names are as in the proto file",
      text: starJson.replace("modelSpec", "model_spec"),
    },
    { because: "it has an unknown field", text: starJson.replace("{", '{"more": [1], ') },
    { because: "the model is unknown", text: starJson.replace("shapes", "nothing") },
    { because: "there is no picture", text: '{"modelSpec": {"name": "shapes"}}' },
    { because: "there is nothing", text: "" },
    { because: "it is no JSON", text: '{"modelSpec": ' },
    { because: "it is no object", text: "[]" },
    { because: "it is null", text: "null" },
    { because: "a name comes twice", text: '{"pictures": [], "pictures": []}' },
    { because: "a field has another type", text: '{"pictures": "star"}' },
    { because: "bytes are no base64", text: starJson.replace(/"data":"...../, '"data":"****') },
    { because: "a number has 200 digits", text: `{"topK": "${"1".repeat(200)}"}` },
    { because: "it has too many elements", text: `{"pictures": [${"{},".repeat(20_000)}{}]}` },
    { because: "it is too long", text: " ".repeat(maxMessageBytes + 1) },
    { because: "its timeout is none", text: starJson, headers: { "connect-timeout-ms": "soon" } },
    {
      because: "it asks for a stream",
      text: starJson,
      headers: { "connect-protocol-version": "2" },
    },
  ];

  async function answerTo(sent: Sent & { readonly text: string }, extra: Record<string, string>) {
    const body = Buffer.from(sent.text);
    using rpc = openRpc(running.url, classify, {
      "content-type": "application/json",
      "x-request-id": "same",
      ...sent.headers,
      ...extra,
    });
    if (sent.isTrickled)
      for (const byte of body.subarray(0, 300)) rpc.stream.write(Buffer.of(byte));
    rpc.stream.end(sent.isTrickled ? body.subarray(300) : body);
    return await rpc.answer;
  }

  test.each(jsonCalls)("is answered as by the library when $because", async (sent) => {
    const ours = await answerTo(sent, {});
    const theirs = await answerTo(sent, byLibrary);

    expect(ours.headers[":status"]).toBeDefined();
    expect(comparable(ours)).toEqual(comparable(theirs));
  });

  test("bytes that are no UTF-8 are refused as by the library", async () => {
    const [ours, theirs] = await Promise.all(
      [{}, byLibrary].map(async (extra) => {
        using rpc = openRpc(running.url, classify, {
          "content-type": "application/json",
          "x-request-id": "same",
          ...extra,
        });
        rpc.stream.end(Buffer.of(0x7b, 0xff, 0x7d));
        return comparable(await rpc.answer);
      }),
    );
    expect(ours).toEqual(theirs);
  });
});

/** An answer without what differs from call to call. */
function comparable({ headers, trailers, body }: RawAnswer) {
  const { date: _date, "server-timing": _timing, "content-length": _length, ...rest } = headers;
  // With the flag before the length: the last byte of a length may be a letter.
  const plain = body.replace(
    /\x80[\s\S]{4}((?:[a-z-]+: [^\r\n]*\r\n)*)server-timing: [^\r\n]*\r\n/,
    "$1",
  );
  return { headers: rest, trailers, body: plain };
}
