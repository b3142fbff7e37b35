import { create, toBinary } from "@bufbuild/protobuf";
import { bytesTensor, float32Tensor, ScoringError, type Tensor } from "@tensorgate/core";
import { ConfigError, parseConfig } from "@tensorgate/gateway";
import { readPictureHeader } from "@tensorgate/imaging";
import { ClassifyRequestSchema } from "@tensorgate/proto/tensorgate/v1/scoring";
import {
  InputParsingError,
  MalformedMessageError,
  predictRequestSegments,
  predictResponseSegments,
  readPredictRequest,
  scoreResponseFromPredictResponse,
  TensorParsingError,
} from "@tensorgate/tf-serving";
import { samplePicture } from "../support/pictures.ts";
import { http2Frame, http2Opening } from "../support/raw-http.ts";
import { http2Replies } from "./http2-replies.ts";
import { damagedBinaryBody, inferenceReaders, inferenceRequests } from "./inference-targets.ts";
import { large } from "./large-target.ts";
import { mutate, pick, type Random } from "./mutate.ts";
import { pictureSeeds } from "./picture-seeds.ts";
import { savedModel } from "./saved-model-target.ts";
import { type FuzzGateway, httpSend, rawSend } from "./send.ts";

/** One way in for what strangers send. */
export interface FuzzTarget {
  readonly name: string;
  /** Makes an input; the same for the same draws. */
  readonly input: (random: Random) => FuzzInput;
  /** @throws if the input was not taken as it should be: an answer, or an error of ours */
  readonly run: (input: FuzzInput, gateway: FuzzGateway) => Promise<void> | void;
}

export interface FuzzInput {
  readonly bytes: Buffer;
  /** Of an HTTP request. */
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const star = samplePicture("star");
const picture = Buffer.from(star.subarray(0, 600));
const tensors = new Map<string, Tensor>([
  ["images", bytesTensor([1], [picture])],
  ["x", float32Tensor([2, 2], Float32Array.of(1, 2, 3, 4))],
]);
const predictRequest = Buffer.concat(
  predictRequestSegments({
    modelSpec: { name: "m", version: 3n },
    inputs: tensors,
    outputFilter: ["y"],
  }),
);
const predictResponse = Buffer.concat(
  predictResponseSegments({
    model: { name: "m", version: 3n },
    outputs: tensors,
    signatureName: "serving_default",
  }),
);
const classifyMessage = Buffer.from(
  toBinary(
    ClassifyRequestSchema,
    create(ClassifyRequestSchema, {
      modelSpec: { name: "shapes" },
      pictures: [{ id: "a", source: { case: "data", value: star } }],
      topK: 3,
    }),
  ),
);
const config = Buffer.from(`region: westeurope
listen: { host: 127.0.0.1, port: 8080, idleTimeoutMs: 60000 }
keys:
  - { id: app, sha256: "${"0".repeat(64)}", models: ["*"] }
models:
  - &one
    name: m
    input: { tensor: images, kind: pixels, heightPx: 2, widthPx: 2, mean: [1, 2.5, 3] }
    output: { scores: { holds: probabilities } }
    labels: [a, "b", 'c']
  - <<: *one
    name: n
  - { name: f, family: ssd-vgg, variant: float, labels: pascal-voc, detection: { minScore: 0.3 } }
  - name: g
    family: resnet-50
    cache: true
    input: { tensor: { azure-fpga: "Placeholder_1:0" }, formats: [jpeg, webp] }
    output: { scores: { tensor: "s:0", holds: logits } }
    classCount: 7
pools:
  - { model: m, region: westeurope, replicas: ["10.0.0.4:8500", "[::1]:8500"], tls: { ca: ca.pem } }
  - model: n
    region: eastus
    replicas: &r ["127.0.0.1:1"]
    key: { env: PATH }
  - { model: g, region: eastus, dialect: azure-fpga, service: s, batch: { maxPictures: 3 }, replicas: *r }
`);

/** Our own errors are how bad input ends; anything else is a fault of ours. */
function assertOurs(thrown: unknown): void {
  const isOurs =
    thrown instanceof MalformedMessageError ||
    thrown instanceof InputParsingError ||
    thrown instanceof TensorParsingError ||
    thrown instanceof ConfigError ||
    (ScoringError.is(thrown) && thrown.reason !== "internal");
  if (!isOurs) throw thrown;
}

function pure(name: string, seeds: readonly Buffer[], read: (bytes: Buffer) => void): FuzzTarget {
  return {
    name,
    input: (random) => ({ bytes: mutate(pick(random, seeds), random) }),
    run: ({ bytes }) => {
      try {
        read(bytes);
      } catch (thrown) {
        assertOurs(thrown);
      }
    },
  };
}

const codecs: readonly FuzzTarget[] = [
  pure("predict-request", [predictRequest], (bytes) => {
    const request = readPredictRequest(bytes);
    for (const name of request.inputNames) request.input(name);
  }),
  pure("predict-response", [predictResponse], (bytes) => {
    scoreResponseFromPredictResponse(bytes, { asked: { name: "m" } });
  }),
  ...inferenceReaders.map(({ name, seeds, read }) => pure(name, seeds, read)),
  pure("picture-header", [Buffer.from(star), ...pictureSeeds()], (bytes) => {
    readPictureHeader(bytes);
  }),
  pure("configuration", [config], (bytes) => {
    parseConfig(bytes.toString("utf8"), "fuzz.yaml", () => "a\nb\n");
  }),
];

function framed(message: Uint8Array, flags: number): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt8(flags, 0);
  prefix.writeUInt32BE(message.byteLength, 1);
  return Buffer.concat([prefix, message]);
}

const rpc = "/tensorgate.v1.ScoringService";
const json = Buffer.from(JSON.stringify({ image: { b64: Buffer.from(star).toString("base64") } }));
const form = Buffer.concat([
  Buffer.from(
    '--boundary\r\ncontent-disposition: form-data; name="a"; filename="a.jpg"\r\n\r\n',
    "latin1",
  ),
  star,
  Buffer.from("\r\n--boundary--\r\n", "latin1"),
]);
const connectJson = Buffer.from(
  JSON.stringify({ modelSpec: { name: "shapes" }, pictures: [{ data: "/9j/4AAQ" }], topK: 2 }),
);

/** Requests that are right; each input damages one of them. */
const requests: readonly { readonly path: string; readonly type: string; readonly body: Buffer }[] =
  [
    { path: "/v1/classify/shapes", type: "image/jpeg", body: Buffer.from(star) },
    { path: "/v1/classify/shapes?topK=3&minScore=0.1", type: "application/json", body: json },
    { path: "/v1/embed/shapes", type: "multipart/form-data; boundary=boundary", body: form },
    { path: "/v1/models/shapes:predict", type: "application/json", body: json },
    { path: "/v1/models/shapes/versions/1", type: "", body: Buffer.alloc(0) },
    ...inferenceRequests((message) => framed(message, 0)),
    { path: `${rpc}/Classify`, type: "application/proto", body: classifyMessage },
    { path: `${rpc}/Classify`, type: "application/json", body: connectJson },
    { path: `${rpc}/Classify`, type: "application/grpc", body: framed(classifyMessage, 0) },
    { path: `${rpc}/Classify`, type: "application/grpc-web", body: framed(classifyMessage, 0) },
    {
      path: `${rpc}/Classify`,
      type: "application/grpc-web-text",
      body: Buffer.from(framed(classifyMessage, 0).toString("base64")),
    },
    { path: `${rpc}/ClassifyStream`, type: "application/grpc", body: framed(classifyMessage, 0) },
    {
      path: `${rpc}/ClassifyStream`,
      type: "application/connect+proto",
      body: framed(classifyMessage, 0),
    },
    { path: `${rpc}/Predict`, type: "application/proto", body: classifyMessage },
    {
      path: "/tensorgate.v1.CatalogService/GetModel",
      type: "application/json",
      body: Buffer.from('{"name":"shapes"}'),
    },
    {
      path: "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
      type: "application/grpc",
      body: framed(Buffer.from("3a00", "hex"), 0),
    },
    {
      path: "/grpc.health.v1.Health/Check",
      type: "application/grpc",
      body: framed(Buffer.alloc(0), 0),
    },
  ];

const oddHeaders: readonly (readonly [string, string])[] = [
  ["content-encoding", "gzip"],
  ["grpc-encoding", "gzip"],
  ["connect-content-encoding", "br"],
  ["grpc-timeout", "1n"],
  ["grpc-timeout", "99999999999H"],
  ["connect-timeout-ms", "-1"],
  ["x-tensorgate-timeout-ms", "1e9"],
  ["x-tensorgate-residency", ",,,"],
  ["x-tensorgate-region", "\u00e9"],
  ["traceparent", "00-x"],
  ["authorization", "Bearer tg__"],
  ["origin", "null"],
  ["content-type", "multipart/form-data"],
  ["content-type", "application/grpc+json"],
  ["x-request-id", "x".repeat(4_000)],
  ["connect-protocol-version", "9"],
];

const protocols: FuzzTarget = {
  name: "protocols",
  input: (random) => {
    const { path, type, body } = pick(random, requests);
    const headers: Record<string, string> = type === "" ? {} : { "content-type": type };
    if (random() < 0.3) {
      const [name, value] = pick(random, oddHeaders);
      headers[name] = value;
    }
    const isPathOdd = random() < 0.1;
    return {
      path: isPathOdd ? oddPath(mutate(Buffer.from(path), random)) : path,
      headers,
      bytes: random() < 0.9 ? mutate(body, random) : body,
    };
  },
  run: httpSend,
};

const binaryInference: FuzzTarget = {
  name: "binary-inference",
  input: (random) => ({ path: "/v2/models/shapes/infer", ...damagedBinaryBody(random) }),
  run: httpSend,
};

/** What a client can put into a request line at all. */
function oddPath(bytes: Buffer): string {
  const text = bytes.toString("latin1").replace(/[^\x21-\x7e]/g, "?");
  return text.startsWith("/") ? text : `/${text}`;
}

const http1Seed = Buffer.concat([
  Buffer.from(
    `POST /v1/classify/shapes HTTP/1.1\r\nhost: localhost\r\ncontent-type: image/jpeg\r\ncontent-length: ${picture.length}\r\n\r\n`,
    "latin1",
  ),
  picture,
]);
const chunkedSeed = Buffer.from(
  "POST /v1/classify/shapes HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\nGET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n",
  "latin1",
);
const http2Seed = Buffer.concat([
  http2Opening,
  http2Frame("headers", 1, Buffer.from("82868441096c6f63616c686f7374", "hex"), 0x5),
  http2Frame("headers", 3, Buffer.from("83868441096c6f63616c686f7374", "hex"), 0x4),
  http2Frame("data", 3, picture, 0x1),
  http2Frame("rstStream", 3, Buffer.alloc(4)),
]);

const listener: FuzzTarget = {
  name: "listener",
  input: (random) => {
    const seed = pick(random, [http1Seed, chunkedSeed, http2Seed, http2Seed]);
    // Past the preface there is more to damage.
    const kept = seed === http2Seed && random() < 0.8 ? 24 : 0;
    return { bytes: Buffer.concat([seed.subarray(0, kept), mutate(seed.subarray(kept), random)]) };
  },
  run: (input, gateway) => rawSend(input, gateway, 1 + (input.bytes.length % 3)),
};

const small: readonly FuzzTarget[] = [
  ...codecs,
  savedModel,
  protocols,
  binaryInference,
  listener,
  http2Replies,
];
export const targets: readonly FuzzTarget[] = [...small, large];

/** Of all inputs, so many are large: each takes as long as a hundred others. */
const largeShare = 0.005;

/** Draws which target comes next: codecs are quick, so they get more of them. */
export function nextTarget(random: Random): FuzzTarget {
  return random() < largeShare ? large : pick(random, small);
}
