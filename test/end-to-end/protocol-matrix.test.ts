import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { bytesTensor, float32Tensor, type Signature } from "@tensorgate/core";
import type { PoolOptions } from "@tensorgate/gateway";
import { tensorSegments } from "@tensorgate/open-inference";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startFakeReplica } from "../support/fake-replica.ts";
import { samplePicture } from "../support/pictures.ts";
import { openGateway, shapesModel } from "../support/running-gateway.ts";
import { startScriptedInference } from "../support/scripted-inference.ts";

// Calls each operation of each protocol before each kind of backend, and writes down which of them are answered:
// docs/protocols.md has the table. TENSORGATE_UPDATE_DOCS=1 replaces it.

const page = fileURLToPath(new URL("../../docs/protocols.md", import.meta.url));
const marks = ["<!-- operations by backend -->\n", "<!-- end of operations -->"] as const;

const scores = Float32Array.from({ length: 16 }, (_, index) => (index === 14 ? 1 : 0));
const outputs = new Map([["scores", float32Tensor([1, 16], scores)]]);
const signature: Signature = {
  inputs: new Map([["images", { dtype: "BYTES", shape: [-1] }]]),
  outputs: new Map([["scores", { dtype: "FP32", shape: [-1, 16] }]]),
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
}

const rpc = (method: string, body: object): Operation => {
  const [service = "", name = ""] = method.split("/");
  return { name: `${service.split(".").at(-1)}/${name}`, path: `/${method}`, body };
};
const modelSpec = { name: "shapes" };

const operations: readonly Operation[] = [
  { name: "`POST /v1/classify/{model}`, a picture", path: "/v1/classify/shapes", body: picture },
  rpc("tensorgate.v1.ScoringService/Classify", { modelSpec, pictures: [{ data: b64 }] }),
  rpc("tensorgate.v1.ScoringService/Predict", {
    modelSpec,
    inputs: { images: { dtype: "BYTES", shape: ["1"], elements: { elements: [b64] } } },
  }),
  { name: "`GET /v1/models/{model}`", path: "/v1/models/shapes" },
  { name: "`GET /v1/models/{model}/metadata`", path: "/v1/models/shapes/metadata" },
  {
    name: "`POST /v1/models/{model}:predict`, a picture",
    path: "/v1/models/shapes:predict",
    body: { instances: [{ b64 }] },
  },
  rpc("tensorflow.serving.PredictionService/Predict", {
    modelSpec,
    inputs: {
      images: { dtype: "DT_STRING", tensorShape: { dim: [{ size: "1" }] }, stringVal: [b64] },
    },
  }),
  { name: "`GET /v2/models/{model}`", path: "/v2/models/shapes" },
  { name: "`GET /v2/models/{model}/ready`", path: "/v2/models/shapes/ready" },
  {
    name: "`POST /v2/models/{model}/infer`, a picture",
    path: "/v2/models/shapes/infer",
    body: picture,
    headers: { "inference-header-content-length": "0" },
  },
  {
    name: "`POST /v2/models/{model}/infer`, classification",
    path: "/v2/models/shapes/infer",
    body: { inputs, outputs: classes },
  },
  {
    name: "the same, of version 1",
    path: "/v2/models/shapes/versions/1/infer",
    body: { inputs },
  },
  rpc("inference.GRPCInferenceService/ModelInfer", {
    modelName: "shapes",
    inputs: [{ name: "images", datatype: "BYTES", shape: ["1"] }],
    rawInputContents: [raw],
  }),
];

const stack = new AsyncDisposableStack();
const urls = new Map<string, string>();
afterAll(() => stack.disposeAsync());

beforeAll(async () => {
  const serving = stack.use(
    await startFakeReplica({
      answer: () => outputs,
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
        outputs: [{ name: "scores", datatype: "FP32", shape: ["-1", "16"] }],
      },
      replies: {
        ModelInfer: [
          {
            model_name: "shapes",
            model_version: "1",
            outputs: [{ name: "scores", datatype: "FP32", shape: ["1", "16"] }],
            raw_output_contents: [Buffer.from(scores.buffer).toString("base64")],
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
  const model = { ...shapesModel(), output: { scores: { holds: "probabilities" as const } } };
  const running = stack.use(await openGateway({ models: [model], pools: [pool] }));
  await running.gateway.ready();
  urls.set(name, running.url);
}

/** Whether an operation is answered: "yes", or the reason or status of the refusal. */
async function cell(url: string, { path, body, headers = {} }: Operation): Promise<string> {
  const isBytes = body instanceof Uint8Array;
  const response = await fetch(url + path, {
    method: body ? "POST" : "GET",
    headers: { ...(body && !isBytes && { "content-type": "application/json" }), ...headers },
    ...(body && { body: isBytes ? Uint8Array.from(body) : JSON.stringify(body) }),
  });
  const text = await response.text();
  if (response.ok) return "yes";
  const { reason } = JSON.parse(text) as { reason?: string };
  return `no: ${reason ? `\`${reason}\`` : response.status}`;
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
