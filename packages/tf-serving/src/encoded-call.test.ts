import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { ServingMethod } from "@tensorgate/core";
import { MultiInferenceRequestSchema } from "@tensorgate/proto/tensorflow_serving/inference";
import {
  PredictRequestSchema,
  PredictResponseSchema,
} from "@tensorgate/proto/tensorflow_serving/predict";
import { describe, expect, test } from "vitest";
import { answeringModelOf, askedModelOf, withModelSpec } from "./encoded-call.ts";

const version = (value: bigint) => ({ case: "version" as const, value: { value } });

function predict(modelSpec?: { name: string; signatureName?: string }) {
  const message = create(PredictRequestSchema, modelSpec ? { modelSpec } : {});
  return { method: "Predict" as ServingMethod, message: toBinary(PredictRequestSchema, message) };
}

function multiInference(...names: readonly (string | undefined)[]) {
  const tasks = names.map((name) => (name === undefined ? {} : { modelSpec: { name } }));
  const message = create(MultiInferenceRequestSchema, { tasks });
  return {
    method: "MultiInference" as ServingMethod,
    message: toBinary(MultiInferenceRequestSchema, message),
  };
}

test("the model is read without the rest of the message", () => {
  expect(askedModelOf(predict({ name: "m", signatureName: "s" }))).toEqual({
    name: "m",
    signatureName: "s",
  });
  expect(askedModelOf(predict())).toBeUndefined();
});

test("a model spec is replaced, whatever stands around it, and all else stays", () => {
  const message = create(PredictRequestSchema, {
    modelSpec: { name: "", signatureName: "s", versionChoice: version(0n) },
    inputs: { x: { dtype: 1, floatVal: [1] } },
    outputFilter: ["y"],
  });
  const bytes = toBinary(PredictRequestSchema, message);
  // A message that stands twice is merged.
  const twice = Buffer.concat([
    bytes,
    toBinary(PredictRequestSchema, create(PredictRequestSchema, { modelSpec: { name: "n" } })),
  ]);

  const call = withModelSpec({ method: "Predict", message: twice }, { name: "m" });

  expect(askedModelOf(call)).toEqual({ name: "m", signatureName: "" });
  const { inputs, outputFilter } = fromBinary(PredictRequestSchema, call.message);
  expect({ inputs, outputFilter }).toEqual({ inputs: message.inputs, outputFilter: ["y"] });
});

describe("several tasks", () => {
  test("name one model", () => {
    expect(askedModelOf(multiInference("m", "m"))?.name).toBe("m");
  });

  test("that are none, or have no spec, name no model", () => {
    expect(askedModelOf(multiInference())).toEqual({ name: "" });
    expect(askedModelOf(multiInference(undefined, ""))?.name).toBe("");
  });

  // A key for one of them would otherwise open the other one, too.
  test.each([
    { names: ["m", "other"], message: "must access the same model name" },
    { names: ["", "other"], message: "ModelSpec has no name specified." },
    { names: [undefined, "other"], message: "ModelSpec has no name specified." },
    { names: ["m", ""], message: "Found ModelSpec with an empty model name" },
    { names: ["m", undefined], message: "Found ModelSpec with an empty model name" },
  ])("are refused for $names", ({ names, message }) => {
    expect(() => askedModelOf(multiInference(...names))).toThrow(message);
  });
});

test("a reply says which model and version answered", () => {
  const reply = create(PredictResponseSchema, {
    modelSpec: { name: "m", versionChoice: version(3n) },
  });
  const bytes = toBinary(PredictResponseSchema, reply);

  expect(answeringModelOf("Predict", bytes, { name: "asked" })).toEqual({ name: "m", version: 3n });
  expect(answeringModelOf("Predict", new Uint8Array(), { name: "asked", version: 2n })).toEqual({
    name: "asked",
    version: 2n,
  });
});
