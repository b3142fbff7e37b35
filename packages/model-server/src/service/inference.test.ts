import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { float32Tensor, float32Values, type Tensor } from "@tensorgate/core";
import { grpcCode } from "@tensorgate/grpc";
import {
  ClassificationRequestSchema,
  ClassificationResponseSchema,
} from "@tensorgate/proto/tensorflow_serving/classification";
import {
  MultiInferenceRequestSchema,
  MultiInferenceResponseSchema,
} from "@tensorgate/proto/tensorflow_serving/inference";
import type { ModelSpecSchema } from "@tensorgate/proto/tensorflow_serving/model";
import {
  RegressionRequestSchema,
  RegressionResponseSchema,
} from "@tensorgate/proto/tensorflow_serving/regression";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  servingModelsConfig,
  writeServingModels,
} from "../../../../test/support/serving-models.ts";
import { readModelConfig } from "../hosting/served-model.ts";
import { startModelServer } from "../model-server.ts";
import type { ModelServer } from "../model-server-options.ts";
import { prepareSignature } from "../prepared-signature.ts";
import { createServingCaller, type ServingCaller } from "../testing.ts";

const folder = mkdtempSync(join(tmpdir(), "tensorgate-inference-"));
let server: ModelServer;
let caller: ServingCaller;
beforeAll(async () => {
  writeServingModels(folder);
  const models = readModelConfig(
    servingModelsConfig(folder, ["half_plus_two", "two_versions", "multi", "tf2"]),
  );
  server = await startModelServer({ port: 0, models, allowUnavailableLabels: true });
  caller = createServingCaller(server.port);
});
afterAll(async () => {
  caller[Symbol.dispose]();
  await server.close(0);
  rmSync(folder, { recursive: true });
});

type Spec = MessageInitShape<typeof ModelSpecSchema>;

const inputOf = (...values: readonly number[]) => ({
  kind: {
    case: "exampleList" as const,
    value: {
      examples: values.map((value) => ({
        features: {
          feature: { x: { kind: { case: "floatList" as const, value: { value: [value] } } } },
        },
      })),
    },
  },
});

async function classified(modelSpec: Spec, ...values: readonly number[]) {
  const request = create(ClassificationRequestSchema, { modelSpec, input: inputOf(...values) });
  const bytes = toBinary(ClassificationRequestSchema, request);
  return fromBinary(
    ClassificationResponseSchema,
    await caller.call("PredictionService/Classify", bytes),
  );
}

async function regressed(modelSpec: Spec | undefined, ...values: readonly number[]) {
  const input = inputOf(...values);
  const request = create(RegressionRequestSchema, { ...(modelSpec && { modelSpec }), input });
  const bytes = toBinary(RegressionRequestSchema, request);
  return fromBinary(
    RegressionResponseSchema,
    await caller.call("PredictionService/Regress", bytes),
  );
}

async function inferred(
  tasks: readonly { readonly modelSpec: Spec; readonly methodName: string }[],
  ...values: readonly number[]
) {
  const request = create(MultiInferenceRequestSchema, {
    tasks: [...tasks],
    input: inputOf(...values),
  });
  const bytes = toBinary(MultiInferenceRequestSchema, request);
  return fromBinary(
    MultiInferenceResponseSchema,
    await caller.call("PredictionService/MultiInference", bytes),
  );
}

test("examples are classified, by the version of a label", async () => {
  const { result, modelSpec } = await classified(
    {
      name: "two_versions",
      signatureName: "classify_x_to_y",
      versionChoice: { case: "versionLabel", value: "stable" },
    },
    2,
    3,
  );

  expect(result?.classifications.map(({ classes }) => classes.map(({ score }) => score))).toEqual([
    [3],
    [3.5],
  ]);
  expect(modelSpec).toMatchObject({
    signatureName: "classify_x_to_y",
    versionChoice: { case: "version", value: { value: 123n } },
  });
});

test("examples are regressed", async () => {
  const { result } = await regressed(
    { name: "half_plus_two", signatureName: "regress_x_to_y2" },
    2,
    20,
  );

  expect(result?.regressions.map(({ value }) => value)).toEqual([4, 13]);
});

const regression = {
  modelSpec: { name: "half_plus_two", signatureName: "regress_x_to_y" },
  methodName: "tensorflow/serving/regress",
};
const classification = {
  modelSpec: { name: "half_plus_two", signatureName: "classify_x_to_y" },
  methodName: "tensorflow/serving/classify",
};

test("tasks on the same examples are answered in their order", async () => {
  const { results } = await inferred([regression, classification], 2);

  expect(results.map(({ result }) => result.case)).toEqual([
    "regressionResult",
    "classificationResult",
  ]);
});

const named = (name: string, signatureName = "") => ({ name, signatureName });

test.each([
  { tasks: [], code: 3, text: "ModelSpec has no name specified." },
  {
    tasks: [regression, { ...regression, modelSpec: named("") }],
    code: 3,
    text: "Found ModelSpec with an empty model name.",
  },
  {
    tasks: [regression, { ...regression, modelSpec: named("default") }],
    code: 3,
    text: "All ModelSpecs in a MultiInferenceRequest must access the same model name.",
  },
  {
    tasks: [regression, regression],
    code: 3,
    text: "Duplicate evaluation of signature: regress_x_to_y",
  },
  {
    tasks: [{ ...regression, modelSpec: named("half_plus_two", "nope") }],
    code: 3,
    text: "Requested signature not found in model graph: nope",
  },
  {
    tasks: [{ ...regression, methodName: "x" }],
    code: 12,
    text: "Unsupported signature method_name: x",
  },
  {
    tasks: [{ ...regression, modelSpec: named("nobody") }],
    code: 5,
    text: "Servable not found for request: Latest(nobody)",
  },
])("tasks that cannot be run: $text", async ({ tasks, code, text }) => {
  await expect(inferred(tasks, 1)).rejects.toMatchObject({ code, details: text });
});

test.each([
  { spec: undefined, values: [1], text: "Missing ModelSpec" },
  {
    spec: named("half_plus_two", "nope"),
    values: [1],
    text: "No signature was found with the name: nope",
  },
  {
    spec: named("half_plus_two"),
    values: [1],
    text: "No regression inputs found in SignatureDef: inputs {",
  },
  { spec: named("half_plus_two", "regress_x_to_y"), values: [], text: "Input is empty." },
  {
    spec: named("half_plus_two", "regress_x2_to_y3"),
    values: [1],
    text: "Expects arg[0] to be float but string is provided",
  },
])("a regression that cannot be: $text", async ({ spec, values, text }) => {
  await expect(regressed(spec, ...values)).rejects.toMatchObject({
    code: grpcCode.INVALID_ARGUMENT,
    details: expect.stringContaining(text),
  });
});

test("the metadata have the default of an input", () => {
  const shape = [1];
  const { signature } = prepareSignature("serving_default", {
    inputs: { z: { dtype: "FP32", shape, default: { shape, values: [2.5] } } },
    outputs: { y: { dtype: "FP32", shape, holds: "tensor" } },
  });
  expect(signature.defaults?.get("z")).toEqual(float32Tensor(shape, Float32Array.of(2.5)));
});

test("an input with a default may be left out, another one not", async () => {
  const { values } = await caller.predict("tf2");
  expect(values).toEqual([2]);

  await expect(caller.predict("half_plus_two")).rejects.toMatchObject({
    details:
      "input size does not match signature: 0!=1 len({}) != len({x}). Sent extra: {}. Missing but required: {x}.",
  });
  await expect(caller.predict("tf2", { z: [1] })).rejects.toMatchObject({
    details: "Inputs contains invalid name. Used request inputs: , request input: z",
  });
});

test("an unknown output is reported before a wrong type, which only the graph finds", async () => {
  const x: Tensor = { dtype: "INT32", shape: [1], data: new Uint8Array(4) };
  const asked = (outputFilter: readonly string[]) =>
    caller.score("half_plus_two", { x }, outputFilter);

  await expect(asked(["z"])).rejects.toMatchObject({
    details: "output tensor alias not found in signature: z Outputs expected to be in the set {y}.",
  });
  await expect(asked(["y"])).rejects.toMatchObject({
    details: "Expects arg[0] to be float but int32 is provided",
  });
});

test("every text comes back as it was, in each of its outputs", async () => {
  const outputs = await caller.score("multi", {
    i: { dtype: "INT32", shape: [], data: new Uint8Array(Int32Array.of(-7).buffer) },
    f: float32Tensor([], Float32Array.of(0.5)),
    s: { dtype: "BYTES", shape: [], elements: [Buffer.from("hé")] },
  });

  const [f, s] = [outputs.get("out_f"), outputs.get("out_bytes")];
  expect(f && [...float32Values(f)]).toEqual([0.5]);
  expect(s?.dtype === "BYTES" && s.elements.map(String)).toEqual([String(Buffer.from("hé"))]);
});
