import { readFileSync, writeFileSync } from "node:fs";
import type http2 from "node:http2";
import { fileURLToPath } from "node:url";
import { create, toBinary } from "@bufbuild/protobuf";
import { bytesTensor, float32Tensor, type Signature } from "@tensorgate/core";
import type { PoolOptions } from "@tensorgate/gateway";
import { tensorSegments } from "@tensorgate/open-inference";
import {
  ClassificationResponseSchema,
  ClassSchema,
} from "@tensorgate/proto/tensorflow_serving/classification";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startFakeReplica } from "../support/fake-replica.ts";
import { samplePicture } from "../support/pictures.ts";
import { framed, postRpc } from "../support/raw-rpc.ts";
import { openGateway, shapesModel } from "../support/running-gateway.ts";
import { startScriptedInference } from "../support/scripted-inference.ts";

// Calls each operation of each protocol before each kind of backend, and writes down which of them are answered:
// docs/protocols.md has the table. TENSORGATE_UPDATE_DOCS=1 replaces it.

const page = fileURLToPath(new URL("../../docs/protocols.md", import.meta.url));
const marks = ["<!-- operations by backend -->\n", "<!-- end of operations -->"] as const;

const scores = Float32Array.from({ length: 16 }, (_, index) => (index === 14 ? 1 : 0));
const outputs = new Map([
  ["scores", float32Tensor([1, 16], scores)],
  ["features", float32Tensor([1, 2], Float32Array.of(0.25, 8))],
]);
const signature: Signature = {
  inputs: new Map([["images", { dtype: "BYTES", shape: [-1] }]]),
  outputs: new Map([
    ["scores", { dtype: "FP32", shape: [-1, 16] }],
    ["features", { dtype: "FP32", shape: [-1, 2] }],
  ]),
};

const picture = samplePicture("star");
const b64 = Buffer.from(picture).toString("base64");
const raw = Buffer.concat(tensorSegments(bytesTensor([1], [picture]))).toString("base64");
const inputs = [{ name: "images", datatype: "BYTES", shape: [1], data: [{ b64 }] }];
const classes = [{ name: "scores", parameters: { classification: 1 } }];

interface Operation {
  readonly name: string;
  readonly path: string;
  readonly body?: Uint8Array | object;
  readonly headers?: Readonly<Record<string, string>>;
  /** What a right answer has in it. */
  readonly has: string | RegExp;
}

const rpc = (method: string, body: object, has: Operation["has"]): Operation => {
  const [service = "", name = ""] = method.split("/");
  return { name: `${service.split(".").at(-1)}/${name}`, path: `/${method}`, body, has };
};

/** A stream of one message. */
const stream = (method: string, message: object, has: Operation["has"]): Operation => ({
  ...rpc(method, framed(Buffer.from(JSON.stringify(message))), has),
  headers: { "content-type": "application/connect+json" },
});

/** Features as they are in JSON, and as bytes of little-endian floats. */
const features = Float32Array.of(0.25, 8);
const zeros = Buffer.from(scores.buffer).toString("base64");
const modelSpec = { name: "shapes" };

const infer = {
  modelName: "shapes",
  inputs: [{ name: "images", datatype: "BYTES", shape: ["1"] }],
  rawInputContents: [raw],
};
const examples = [{ x: 1 }];

const operations: readonly Operation[] = [
  {
    name: "`POST /v1/classify/{model}`, a picture",
    path: "/v1/classify/shapes",
    body: picture,
    has: '"label":"star","score":1',
  },
  {
    name: "`POST /v1/embed/{model}`, a picture",
    path: "/v1/embed/shapes",
    body: picture,
    has: "[0.25,8]",
  },
  rpc(
    "tensorgate.v1.ScoringService/Classify",
    { modelSpec, pictures: [{ data: b64 }] },
    '"label":"star"',
  ),
  stream(
    "tensorgate.v1.ScoringService/ClassifyStream",
    { modelSpec, picture: { data: b64 } },
    '"label":"star"',
  ),
  rpc(
    "tensorgate.v1.ScoringService/Predict",
    {
      modelSpec,
      inputs: { images: { dtype: "BYTES", shape: ["1"], elements: { elements: [b64] } } },
    },
    zeros,
  ),
  { name: "`GET /v1/models/{model}`", path: "/v1/models/shapes", has: "AVAILABLE" },
  {
    name: "`GET /v1/models/{model}/metadata`",
    path: "/v1/models/shapes/metadata",
    has: "DT_STRING",
  },
  {
    name: "`POST /v1/models/{model}:predict`, a picture",
    path: "/v1/models/shapes:predict",
    body: { instances: [{ b64 }] },
    has: /"features": ?\[0.25, ?8/,
  },
  {
    name: "`POST /v1/models/{model}:classify`, examples",
    path: "/v1/models/shapes:classify",
    body: { examples },
    has: "seldom",
  },
  rpc(
    "tensorflow.serving.PredictionService/Predict",
    {
      modelSpec,
      inputs: {
        images: { dtype: "DT_STRING", tensorShape: { dim: [{ size: "1" }] }, stringVal: [b64] },
      },
    },
    '"features"',
  ),
  rpc(
    "tensorflow.serving.PredictionService/GetModelMetadata",
    { modelSpec, metadataField: ["signature_def"] },
    "DT_STRING",
  ),
  rpc("tensorflow.serving.ModelService/GetModelStatus", { modelSpec }, "AVAILABLE"),
  { name: "`GET /v2/models/{model}`", path: "/v2/models/shapes", has: "BYTES" },
  { name: "`GET /v2/models/{model}/config`", path: "/v2/models/shapes/config", has: "TYPE_STRING" },
  { name: "`GET /v2/models/{model}/stats`", path: "/v2/models/shapes/stats", has: "model_stats" },
  { name: "`GET /v2/models/{model}/ready`", path: "/v2/models/shapes/ready", has: "true" },
  { name: "`POST /v2/repository/index`", path: "/v2/repository/index", body: {}, has: "READY" },
  {
    name: "`POST /v2/models/{model}/infer`, a picture",
    path: "/v2/models/shapes/infer",
    body: picture,
    headers: { "inference-header-content-length": "0" },
    has: Buffer.from(features.buffer).toString("latin1"),
  },
  {
    name: "`POST /v2/models/{model}/infer`, classification",
    path: "/v2/models/shapes/infer",
    body: { inputs, outputs: classes },
    has: "1.000000:14:star",
  },
  {
    name: "the same, of version 1",
    path: "/v2/models/shapes/versions/1/infer",
    body: { inputs },
    has: "[0.25,8",
  },
  rpc("inference.GRPCInferenceService/ModelInfer", infer, zeros),
  stream("inference.GRPCInferenceService/ModelStreamInfer", infer, zeros),
  rpc("inference.GRPCInferenceService/ModelMetadata", { name: "shapes" }, "BYTES"),
  rpc("inference.GRPCInferenceService/ModelReady", { name: "shapes" }, "true"),
  rpc("inference.GRPCInferenceService/ModelStatistics", { name: "shapes" }, "inferenceStats"),
];

/** Answers `Classify` as a server of TensorFlow Serving's API does. */
function answerClassify(
  replica: http2.ServerHttp2Stream,
  headers: http2.IncomingHttpHeaders,
): boolean {
  if (!String(headers[":path"]).endsWith("/Classify")) return false;
  const response = create(ClassificationResponseSchema, {
    modelSpec: { name: "shapes" },
    result: { classifications: [{ classes: [create(ClassSchema, { label: "seldom" })] }] },
  });
  replica.respond(
    { ":status": 200, "content-type": "application/grpc" },
    { waitForTrailers: true },
  );
  replica.on("wantTrailers", () => replica.sendTrailers({ "grpc-status": "0" }));
  replica.end(framed(toBinary(ClassificationResponseSchema, response)));
  return true;
}

const stack = new AsyncDisposableStack();
const urls = new Map<string, string>();
afterAll(() => stack.disposeAsync());

beforeAll(async () => {
  const serving = stack.use(
    await startFakeReplica({
      answer: () => outputs,
      intercept: answerClassify,
      signatures: new Map([["serving_default", signature]]),
    }),
  );
  const container = stack.use(
    await startFakeReplica({ answer: () => outputs, isPredictOnly: true }),
  );
  const inference = stack.use(
    await startScriptedInference({
      model: "shapes",
      metadata: {
        name: "shapes",
        versions: ["1"],
        inputs: [{ name: "images", datatype: "BYTES", shape: ["-1"] }],
        outputs: [
          { name: "scores", datatype: "FP32", shape: ["-1", "16"] },
          { name: "features", datatype: "FP32", shape: ["-1", "2"] },
        ],
      },
      replies: {
        ModelInfer: [
          {
            model_name: "shapes",
            model_version: "1",
            outputs: [
              { name: "scores", datatype: "FP32", shape: ["1", "16"] },
              { name: "features", datatype: "FP32", shape: ["1", "2"] },
            ],
            raw_output_contents: [zeros, Buffer.from(features.buffer).toString("base64")],
          },
        ],
      },
    }),
  );
  const here = { model: "shapes", region: "westeurope" };
  await start("`tensorflow-serving`", { ...here, replicas: [serving.address] });
  const peer = urls.get("`tensorflow-serving`") ?? "";
  const { address } = inference;
  await start("`open-inference`", { ...here, dialect: "open-inference", replicas: [address] });
  await start("`azure-fpga`", { ...here, dialect: "azure-fpga", replicas: [container.address] });
  await start("a gateway", { ...here, gateway: peer });
});

async function start(name: string, pool: PoolOptions): Promise<void> {
  const running = stack.use(await openGateway({ models: [shapesModel()], pools: [pool] }));
  await running.gateway.ready();
  urls.set(name, running.url);
}

interface Answered {
  readonly status: number;
  /** A character for each byte. */
  readonly text: string;
}

async function call(url: string, { path, body, headers = {} }: Operation): Promise<Answered> {
  const isBytes = body instanceof Uint8Array;
  if (isBytes && headers["content-type"]?.includes("connect+")) {
    const answer = await postRpc(url, path, { headers: { ...headers }, body });
    return { status: Number(answer.headers[":status"]), text: answer.body };
  }
  const response = await fetch(url + path, {
    method: body ? "POST" : "GET",
    headers: { ...(body && !isBytes && { "content-type": "application/json" }), ...headers },
    ...(body && { body: isBytes ? Uint8Array.from(body) : JSON.stringify(body) }),
  });
  const bytes = Buffer.from(await response.arrayBuffer());
  return { status: response.status, text: bytes.toString("latin1") };
}

/** Whether an operation is answered as it should: "yes", or the reason or status of the refusal. */
async function cell(url: string, operation: Operation): Promise<string> {
  const { status, text } = await call(url, operation);
  const { has } = operation;
  if (status < 300) {
    const isRight = typeof has === "string" ? text.includes(has) : has.test(text);
    return isRight ? "yes" : `wrong: ${text.slice(0, 200)}`;
  }
  const { reason } = JSON.parse(text) as { reason?: string };
  return `no: ${reason ? `\`${reason}\`` : status}`;
}

test("the table of operations by backend is true", async () => {
  const rows = await Promise.all(
    operations.map(async (operation) => {
      const cells = await Promise.all([...urls.values()].map((url) => cell(url, operation)));
      const name = operation.name.includes("`") ? operation.name : `\`${operation.name}\``;
      return `| ${[operation.name.startsWith("the") ? operation.name : name, ...cells].join(" | ")} |`;
    }),
  );
  const head = [`| | ${[...urls.keys()].join(" | ")} |`, `|---|${"---|".repeat(urls.size)}`];
  const table = `\n${[...head, ...rows].join("\n")}\n\n`;

  const [before = "", rest = ""] = readFileSync(page, "utf8").split(marks[0]);
  const [written, after = ""] = rest.split(marks[1]);
  if (process.env["TENSORGATE_UPDATE_DOCS"]) {
    writeFileSync(page, `${before}${marks[0]}${table}${marks[1]}${after}`);
  }
  expect(written).toBe(table);
});
