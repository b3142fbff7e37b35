import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import { Client, credentials, type ServiceError } from "@grpc/grpc-js";
import { grpcCode } from "@tensorgate/grpc";
import { GetModelMetadataResponseSchema } from "@tensorgate/proto/tensorflow_serving/get_model_metadata";
import { GetModelStatusResponseSchema } from "@tensorgate/proto/tensorflow_serving/get_model_status";
import { PredictResponseSchema } from "@tensorgate/proto/tensorflow_serving/predict";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startModelServer } from "./model-server.ts";
import type { ModelServer } from "./model-server-options.ts";
import { createGraphBuilder } from "./onnx/graph-builder.ts";

/** y = x / 2 + 2, the sample model of TensorFlow Serving. */
function halfPlusTwo(): Uint8Array {
  const graph = createGraphBuilder("half_plus_two");
  graph.input("x", ["n"]);
  const half = graph.op("Mul", ["x", graph.scalar(0.5)]);
  graph.op("Add", [half, graph.scalar(2)], {}, "y");
  graph.output("y", ["n"]);
  return graph.finish();
}

let server: ModelServer;
let client: Client;
const folder = mkdtempSync(join(tmpdir(), "tensorgate-models-"));

beforeAll(async () => {
  for (const [name, version] of [
    ["half_plus_two", "00000123"],
    ["default", "123"],
    ["two_versions", "123"],
    ["two_versions", "124"],
  ] as const) {
    mkdirSync(join(folder, name, version), { recursive: true });
    writeFileSync(join(folder, name, version, "model.onnx"), halfPlusTwo());
  }
  server = await startModelServer({ port: 0, models: [{ directory: folder }, { counter: true }] });
  client = new Client(`127.0.0.1:${server.port}`, credentials.createInsecure());
});
afterAll(async () => {
  client.close();
  await server.close();
  rmSync(folder, { recursive: true });
});

function call(method: string, message: Uint8Array): Promise<Buffer> {
  const bytes = (buffer: Buffer) => buffer;
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(method, bytes, bytes, Buffer.from(message), (error, reply) => {
      if (error) reject(error);
      else resolve(reply ?? Buffer.alloc(0));
    });
  });
}

interface ConformanceCase {
  readonly name: string;
  readonly method: string;
  readonly request_b64: string;
  readonly sequence?: string;
  readonly expect: {
    readonly code: keyof typeof grpcCode;
    readonly message?: string;
    readonly message_prefix?: string;
    readonly response?: Readonly<Record<string, unknown>>;
    readonly response_b64?: string;
  };
}

const file = new URL(
  "../../../../shared/conformance/tf-serving/model_server.jsonl",
  import.meta.url,
);
const isHere = existsSync(file);
const all: readonly ConformanceCase[] = isHere
  ? readFileSync(file, "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line))
  : [];

/** Cases that need what this server does not have, by what it is. */
const notOffered: readonly (readonly [why: string, applies: (each: ConformanceCase) => boolean])[] =
  [
    ["Classify, Regress and MultiInference", ({ method }) => !/Predict$|GetModel\w+$/.test(method)],
    ["signatures of examples", ({ name }) => name === "predict-on-example-signature"],
    [
      "the models tf2 and half_plus_three",
      ({ name }) => /^(tf2|half_plus_three|metadata)\//.test(name),
    ],
    ["inputs of any rank", ({ name }) => /scalar-no-shape|rank3/.test(name)],
    ["two versions of a model at once", ({ name }) => name === "Status/SingleVersion"],
  ];
const cases = all.filter((each) => !notOffered.some(([, applies]) => applies(each)));

test.skipIf(isHere)(
  "TensorFlow Serving's cases are skipped: the conformance folder is not here",
  () => {},
);

test.runIf(isHere)("most cases of Predict, metadata and status apply", () => {
  expect(cases.length).toBeGreaterThan(20);
});

test.each(cases)("$name is answered as TensorFlow Serving does", async ({ method, ...each }) => {
  const answer = call(method, Buffer.from(each.request_b64, "base64"));
  const { code, message, message_prefix: prefix, response_b64: expected } = each.expect;

  if (code !== "OK") {
    const error = (await answer.then(
      () => undefined,
      (thrown: unknown) => thrown,
    )) as ServiceError | undefined;
    expect(error?.code).toBe(grpcCode[code]);
    if (message !== undefined) expect(error?.details).toBe(message);
    if (prefix !== undefined) expect(error?.details.startsWith(prefix)).toBe(true);
    return;
  }
  const schema = method.endsWith("Predict") ? PredictResponseSchema : GetModelStatusResponseSchema;
  expect(fromBinary(schema, await answer)).toEqual(
    fromBinary(schema, Buffer.from(expected ?? "", "base64")),
  );
});

describe("what no case covers", () => {
  const spec = (name: string) => {
    const inner = Buffer.from([0x0a, name.length, ...Buffer.from(name)]);
    return Buffer.from([0x0a, inner.length, ...inner]);
  };

  test("metadata tells the model's own inputs and outputs", async () => {
    const field = Buffer.from("signature_def");
    const request = Buffer.concat([
      spec("half_plus_two"),
      Buffer.from([0x12, field.length]),
      field,
    ]);

    const reply = await call("/tensorflow.serving.PredictionService/GetModelMetadata", request);

    const { metadata, modelSpec } = fromBinary(GetModelMetadataResponseSchema, reply);
    expect(modelSpec?.versionChoice.value).toMatchObject({ value: 123n });
    expect(metadata["signature_def"]?.typeUrl).toBe(
      "type.googleapis.com/tensorflow.serving.SignatureDefMap",
    );
  });

  test("bytes that are no message are the caller's mistake", async () => {
    await expect(
      call("/tensorflow.serving.PredictionService/Predict", Buffer.from([0xff, 0xff])),
    ).rejects.toMatchObject({ code: grpcCode.INVALID_ARGUMENT });
  });

  test("a message over gRPC's usual 4 MB is taken", async () => {
    const values = Buffer.alloc(8 * 1_048_576);
    const { predictRequestSegments } = await import("@tensorgate/tf-serving");
    const request = Buffer.concat(
      predictRequestSegments({
        modelSpec: { name: "half_plus_two" },
        inputs: new Map([["x", { dtype: "FP32", shape: [values.length / 4], data: values }]]),
        outputFilter: ["z"],
      }),
    );

    await expect(
      call("/tensorflow.serving.PredictionService/Predict", request),
    ).rejects.toMatchObject({ details: expect.stringContaining("not found in signature: z") });
  });
});
