import { gzipSync } from "node:zlib";
import { create, toBinary } from "@bufbuild/protobuf";
import {
  ClassifyRequestSchema,
  PredictRequestSchema,
} from "@tensorgate/proto/tensorgate/v1/scoring";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { samplePicture } from "../support/pictures.ts";
import { failureOf, framed, postRpc, rpcProtocols } from "../support/raw-rpc.ts";
import { type RunningGateway, startShapesGateway } from "../support/running-gateway.ts";

let running: RunningGateway;
beforeAll(async () => {
  running = await startShapesGateway();
});
afterAll(() => running[Symbol.asyncDispose]());

const star = samplePicture("star");

// Whatever came before, the listener accepts, the next caller is served, and nothing is still counted.
afterEach(async () => {
  const response = await fetch(`${running.url}/v1/classify/shapes`, { method: "POST", body: star });
  expect(response.status).toBe(200);
  await response.arrayBuffer();
  await expect.poll(() => running.gateway.load().bytesInFlight).toBe(0);
});

const times = (count: number, bytes: readonly number[]) =>
  Buffer.alloc(count * bytes.length, Uint8Array.from(bytes));

/** A length-delimited field: its tag, its length, its content. */
function field(tag: number, content: Uint8Array): Buffer {
  const length: number[] = [];
  let rest = content.length;
  for (; rest > 0x7f; rest >>>= 7) length.push((rest & 0x7f) | 0x80);
  return Buffer.concat([Uint8Array.from([tag, ...length, rest]), content]);
}

const scoring = "/tensorgate.v1.ScoringService";
const unknownFields = [0x78, 0x00];
const tooMany = "elements";
const tooLong = "longer than";

const bombs: readonly {
  readonly name: string;
  readonly path: string;
  readonly message: Buffer;
  readonly says: string;
}[] = [
  {
    name: "60 MiB of an unknown field to Health",
    path: "/grpc.health.v1.Health/Check",
    message: times(31_457_280, unknownFields),
    says: "too-large",
  },
  ...[
    "/grpc.health.v1.Health/Check",
    "/tensorgate.v1.StatusService/GetStatus",
    "/tensorgate.v1.CatalogService/ListModels",
    "/tensorgate.v1.CatalogService/GetModel",
  ].flatMap((path) => [
    {
      name: `unknown fields to ${path}`,
      path,
      message: times(8_000, unknownFields),
      says: tooMany,
    },
    {
      name: `a long text to ${path}`,
      path,
      message: field(0x7a, Buffer.alloc(16_384)),
      says: tooLong,
    },
  ]),
  {
    name: "empty pictures",
    path: `${scoring}/Classify`,
    message: times(4_194_304, [0x12, 0x00]),
    says: tooMany,
  },
  {
    name: "a packed shape",
    path: `${scoring}/Predict`,
    message: field(0x12, field(0x12, field(0x12, Buffer.alloc(16_777_216)))),
    says: tooMany,
  },
  {
    name: "a shape that is not packed",
    path: `${scoring}/Predict`,
    message: field(0x12, field(0x12, times(4_000_000, [0x10, 0x01]))),
    says: tooMany,
  },
  {
    name: "empty names of outputs",
    path: `${scoring}/Predict`,
    message: times(4_194_304, [0x1a, 0x00]),
    says: tooMany,
  },
  {
    name: "map entries",
    path: `${scoring}/Predict`,
    message: times(600_000, [0x12, 0x00]),
    says: tooMany,
  },
  {
    name: "long names of tensors, all of one length",
    path: `${scoring}/Predict`,
    message: Buffer.concat(
      Array.from({ length: 2_700 }, (_, index) =>
        field(0x12, field(0x0a, Buffer.from(String(index).padStart(22_000, "n")))),
      ),
    ),
    says: "key or name of more than",
  },
  {
    name: "empty elements of a tensor",
    path: `${scoring}/Predict`,
    message: field(0x12, field(0x12, field(0x22, times(4_000_000, [0x0a, 0x00])))),
    says: tooMany,
  },
  {
    name: "unknown fields within a model spec",
    path: `${scoring}/Embed`,
    message: field(0x0a, times(4_000_000, unknownFields)),
    says: tooMany,
  },
];

const cases = rpcProtocols.flatMap((protocol) =>
  bombs.flatMap((bomb) =>
    ["plain", "gzip"].map((packing) => ({ ...bomb, protocol, packing, by: protocol.name })),
  ),
);

test.each(cases)("$name: $by, $packing", async ({ protocol, path, message, packing, says }) => {
  const isPacked = packing === "gzip";
  const bytes = isPacked ? gzipSync(message, { level: 1 }) : message;
  const body = protocol.name === "Connect" ? bytes : framed(bytes, isPacked ? 1 : 0);
  const headers = {
    "content-type": protocol.type,
    ...(isPacked && { [protocol.encodingHeader]: "gzip" }),
  };

  const failure = failureOf(await postRpc(running.url, path, { headers, body }));

  expect(failure).toContain("too-large");
  expect(failure).toContain(says);
});

test("what lies in a field of the wrong layout is not read as fields", async () => {
  // A parser that reads top_k as a number goes on in what it is said to be the content of.
  const message = field(0x1a, times(4_000_000, unknownFields));
  const headers = { "content-type": "application/grpc" };

  const answer = await postRpc(running.url, `${scoring}/Classify`, {
    headers,
    body: framed(message),
  });

  expect(failureOf(answer)).toContain("invalid-request");
});

const streams = [
  { name: "ClassifyStream", path: `${scoring}/ClassifyStream` },
  { name: "DetectStream", path: `${scoring}/DetectStream` },
  { name: "WatchStatus", path: "/tensorgate.v1.StatusService/WatchStatus" },
  { name: "reflection", path: "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo" },
  {
    name: "older reflection",
    path: "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
  },
];

test.each(
  streams.flatMap((stream) =>
    ["application/grpc", "application/connect+proto", "application/grpc-web+proto"].flatMap(
      (type) => ["plain", "gzip"].map((packing) => ({ ...stream, type, packing })),
    ),
  ),
)("a bomb as a message of a stream: $name, $type, $packing", async ({ path, type, packing }) => {
  const isPacked = packing === "gzip";
  const message = times(8_192 + 1, unknownFields);
  const body = framed(isPacked ? gzipSync(message) : message, isPacked ? 1 : 0);
  const encoding = { "connect-content-encoding": "gzip", "grpc-encoding": "gzip" };
  const headers = { "content-type": type, ...(isPacked && encoding) };

  expect(failureOf(await postRpc(running.url, path, { headers, body }))).toContain("too-large");
});

const json = "application/json";

test.each([
  { name: "unknown values", path: "Classify", body: `{"x":[${"1,".repeat(100_000)}1]}` },
  { name: "empty pictures", path: "Classify", body: `{"pictures":[${"{},".repeat(100_000)}{}]}` },
  { name: "names", path: "Predict", body: `{"outputFilter":[${'"",'.repeat(100_000)}""]}` },
  {
    name: "map entries",
    path: "Predict",
    body: `{"inputs":{${Array.from({ length: 100_000 }, (_, at) => `"${at}":{}`).join()}}}`,
  },
  { name: "blanks", path: "Classify", body: `{${" ".repeat(1_000_000)}}` },
  { name: "9 MB of text", path: "Classify", body: `{"x":"${"A".repeat(9_000_000)}"}` },
])("JSON of $name is too large", async ({ path, body }) => {
  for (const packing of ["plain", "gzip"]) {
    const isPacked = packing === "gzip";
    const answer = await postRpc(running.url, `${scoring}/${path}`, {
      headers: { "content-type": json, ...(isPacked && { "content-encoding": "gzip" }) },
      body: isPacked ? gzipSync(body) : Buffer.from(body),
    });

    expect(failureOf(answer)).toContain("too-large");
  }
});

test.each([
  { name: "an integer of a million digits", value: `"${"9".repeat(1_000_000)}"` },
  { name: "one that is escaped", value: `"${"\\u0039".repeat(100_000)}"` },
  { name: "one that is none", value: `"${"x".repeat(1_000_000)}"` },
])("JSON with $name is refused in few words", async ({ value }) => {
  const answer = await postRpc(running.url, `${scoring}/Classify`, {
    headers: { "content-type": json },
    body: Buffer.from(`{"modelSpec":{"name":"shapes","version":${value}}}`),
  });

  expect(failureOf(answer)).toContain("invalid-request");
  expect(answer.body.length).toBeLessThan(2_000);
});

test.each(rpcProtocols.filter(({ name }) => name !== "Connect"))(
  "$name: an envelope must be as it says",
  async ({ type }) => {
    const path = `${scoring}/ClassifyStream`;
    const headers = { "content-type": type };
    for (const body of [framed(Buffer.alloc(0), 1), framed(Buffer.alloc(9), 2), Buffer.alloc(4)]) {
      const answer = await postRpc(running.url, path, { headers, body });
      expect(failureOf(answer)).toContain("invalid-request");
    }
  },
);

test("many envelopes without a picture end the stream at the first", async () => {
  const headers = { "content-type": "application/grpc" };
  const body = Buffer.alloc(1_000_000);

  const answer = await postRpc(running.url, `${scoring}/ClassifyStream`, { headers, body });

  expect(failureOf(answer)).toContain("has no picture");
  expect(answer.body).toBe("");
});

test("reflection answers a few hundred questions on a stream, and no more", async () => {
  const headers = { "content-type": "application/grpc" };
  const question = framed(field(0x3a, Buffer.alloc(0)));
  const body = Buffer.concat(Array.from({ length: 1_000 }, () => question));
  const path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";

  const answer = await postRpc(running.url, path, { headers, body });

  expect(answer.trailers["grpc-message"]).toContain("256");
});

test("a failure that quotes a long name still fits in a header", async () => {
  const { trailers, headers } = await postRpc(running.url, `${scoring}/Classify`, {
    headers: { "content-type": "application/grpc" },
    body: framed(field(0x0a, field(0x0a, Buffer.alloc(1_048_576, "n")))),
  });

  expect(trailers["grpc-status"] ?? headers["grpc-status"]).toBe("5");
});

test("a unary method takes one message", async () => {
  const headers = { "content-type": "application/grpc" };
  const body = Buffer.alloc(10);

  const answer = await postRpc(running.url, "/grpc.health.v1.Health/Check", { headers, body });

  expect(answer.headers["grpc-status"] ?? answer.trailers["grpc-status"]).toBe("12");
});

test("64 pictures, and thousands of texts, are not too many", async () => {
  const picture = { source: { case: "data" as const, value: star } };
  const pictures = toBinary(
    ClassifyRequestSchema,
    create(ClassifyRequestSchema, {
      modelSpec: { name: "shapes" },
      pictures: Array.from({ length: 64 }, () => picture),
    }),
  );
  const texts = Array.from({ length: 8_000 }, () => Uint8Array.of(65));
  const predict = toBinary(
    PredictRequestSchema,
    create(PredictRequestSchema, {
      modelSpec: { name: "shapes" },
      inputs: {
        images: {
          dtype: "BYTES",
          shape: [8_000n],
          values: { case: "elements", value: { elements: texts } },
        },
      },
    }),
  );
  const headers = { "content-type": "application/proto" };

  const classified = await postRpc(running.url, `${scoring}/Classify`, { headers, body: pictures });
  const predicted = await postRpc(running.url, `${scoring}/Predict`, { headers, body: predict });

  expect(classified.headers[":status"]).toBe(200);
  // It is no picture, says the model.
  expect(failureOf(predicted)).toContain("upstream-answered");
});

test.each(["application/grpc-web-xml", "text/plain", "application/connect+xml"])(
  "a body of type %s is answered without being read",
  async (type) => {
    const headers = { "content-type": type };
    const body = Buffer.alloc(200_000);

    const answer = await postRpc(running.url, `${scoring}/Classify`, { headers, body });

    expect(answer.headers[":status"]).toBe(415);
  },
);
