import { bytesTensor, float32Tensor, type Signature, type Tensor } from "@tensorgate/core";
import { expect, test } from "vitest";
import { casesOf, hasCases } from "../../../../test/support/conformance-cases.ts";
import { ServingError } from "../serving-error.ts";
import { classificationResult, regressionResult } from "./example-results.ts";
import { type ExampleMethod, exampleOutputs } from "./example-signature.ts";

test.skipIf(hasCases)("TensorFlow Serving's cases are skipped: their folder is not here", () => {});

interface TensorCase {
  readonly dtype: "DT_STRING" | "DT_FLOAT";
  readonly shape: readonly number[];
  readonly values?: readonly (number | string)[];
}

interface ResultCase {
  readonly name: string;
  readonly api: ExampleMethod;
  readonly num_examples: number;
  readonly signature_outputs_and_tensors: Readonly<Record<string, TensorCase>>;
  readonly expect: {
    readonly code: string;
    readonly contains?: readonly string[];
    readonly classifications?: unknown;
    readonly regressions?: readonly number[];
  };
}

function tensorOf({ dtype, shape, values = [] }: TensorCase): Tensor {
  const count = shape.reduce((all, extent) => all * extent, 1);
  const all = Array.from({ length: count }, (_, index) => values[index]);
  if (dtype === "DT_FLOAT")
    return float32Tensor(
      shape,
      Float32Array.from(all, (each) => Number(each ?? 0)),
    );
  return bytesTensor(
    shape,
    all.map((each) => Buffer.from(String(each ?? ""))),
  );
}

function resultOf({ api, num_examples, signature_outputs_and_tensors }: ResultCase): unknown {
  const outputs = new Map(
    Object.entries(signature_outputs_and_tensors).map(([name, each]) => [name, tensorOf(each)]),
  );
  if (api === "regress") {
    return regressionResult(outputs, num_examples).regressions.map(({ value }) => value);
  }
  return classificationResult(outputs, num_examples).classifications.map(({ classes }) =>
    classes.map(({ label, score }) => ({ label, score })),
  );
}

test.each(casesOf<ResultCase>("postprocess.jsonl"))("postprocess.jsonl: $name", (each) => {
  const { code, contains = [], classifications, regressions } = each.expect;
  if (code === "OK") {
    expect(resultOf(each)).toEqual(classifications ?? regressions);
    return;
  }
  let thrown: unknown;
  try {
    resultOf(each);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(ServingError);
  expect((thrown as ServingError).codeName).toBe(code);
  for (const part of contains) expect((thrown as ServingError).message).toContain(part);
});

test("scores alone have no labels", () => {
  const scores = float32Tensor([1, 2], Float32Array.of(0.5, 0.25));

  const { classifications } = classificationResult(new Map([["scores", scores]]), 1);

  expect(classifications[0]?.classes).toMatchObject([{ label: "", score: 0.5 }, { score: 0.25 }]);
});

const scalar = { dtype: "FP32", shape: [-1] } as const;
const signature = (inputs: readonly string[], outputs: readonly string[]): Signature => ({
  inputs: new Map(inputs.map((name) => [name, scalar])),
  outputs: new Map(outputs.map((name) => [name, scalar])),
});

test.each([
  {
    method: "classify",
    inputs: ["a", "b"],
    outputs: ["scores"],
    error: "Expected one input Tensor.",
  },
  {
    method: "classify",
    inputs: ["inputs"],
    outputs: ["a", "b", "c"],
    error: "Expected one or two output Tensors, found 3",
  },
  {
    method: "classify",
    inputs: ["x"],
    outputs: ["scores"],
    error: 'No classification inputs found in SignatureDef: inputs {\n  key: "x"',
  },
  {
    method: "classify",
    inputs: ["inputs"],
    outputs: ["outputs"],
    error: 'to contain at least one of "classes" or "scores". Signature was: inputs {',
  },
  { method: "regress", inputs: [], outputs: ["outputs"], error: "Expected one input Tensor." },
  { method: "regress", inputs: ["inputs"], outputs: [], error: "Expected one output Tensor." },
  {
    method: "regress",
    inputs: ["x"],
    outputs: ["outputs"],
    error: "No regression inputs found in SignatureDef: ",
  },
  {
    method: "regress",
    inputs: ["inputs"],
    outputs: ["scores"],
    error: "No regression outputs found in SignatureDef: ",
  },
] as const)(
  "$method is refused a signature of $inputs and $outputs",
  ({ method, inputs, outputs, error }) => {
    expect(() => exampleOutputs(method, signature(inputs, outputs))).toThrow(error);
  },
);

test("the outputs of a signature that a result is made of", () => {
  expect(exampleOutputs("classify", signature(["inputs"], ["scores", "classes"]))).toEqual([
    "classes",
    "scores",
  ]);
  expect(exampleOutputs("regress", signature(["inputs"], ["outputs"]))).toEqual(["outputs"]);
});
