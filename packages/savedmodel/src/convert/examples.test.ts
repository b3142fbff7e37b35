import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { convertSavedModel } from "../convert-saved-model.ts";
import { type TestNode, testConstant, testNode, writeFrozenGraph } from "../testing/index.ts";

const folder = mkdtempSync(join(tmpdir(), "tensorgate-examples-"));
afterAll(() => rmSync(folder, { recursive: true }));

const texts = (name: string, ...values: readonly string[]) =>
  testNode("Const", name, [], { dtype: { type: "BYTES" }, value: { texts: values } });
const placeholder = testNode("Placeholder", "examples", [], { dtype: { type: "BYTES" } });
const float = { T: { type: "FP32" } } as const;

/** Two features of a fixed size after a sparse one, each with a default. */
const features = [
  placeholder,
  texts("names"),
  texts("sparse", "words"),
  texts("a", "a"),
  texts("b", "b"),
  testConstant("a/default", [0.5, 1.5]),
  testConstant("b/default", [], { shape: [0] }),
  testNode(
    "ParseExample",
    "parse",
    ["examples", "names", "sparse", "a", "b", "a/default", "b/default"],
    {
      Nsparse: 1,
      Ndense: 2,
      sparse_types: { types: ["BYTES"] },
      Tdense: { types: ["FP32", "FP32"] },
      dense_shapes: { shapes: [[2], [2]] },
    },
  ),
  // Its outputs: indices, values and shape of the sparse feature, then the others.
  testNode("Mul", "y", ["parse:3", "parse:4"], float),
  testNode("Neg", "words", ["parse:1"], float),
];

let count = 0;
function converted(nodes: readonly TestNode[], outputs = ["y:0"]) {
  count += 1;
  const file = writeFrozenGraph(join(folder, String(count), "frozen.pb"), nodes);
  return convertSavedModel(file, { inputs: ["examples:0"], outputs });
}

test("features that are needed become inputs, with their defaults", async () => {
  const { inputs, outputs } = await converted(features);

  expect(inputs).toEqual([
    {
      name: "examples",
      key: "examples",
      graphName: "examples:0",
      dtype: "BYTES",
      shape: [-1],
      features: [
        { name: "a", dtype: "FP32", shape: [2], tensor: "a", default: [0.5, 1.5] },
        { name: "b", dtype: "FP32", shape: [2], tensor: "b", default: undefined },
      ],
    },
  ]);
  expect(outputs[0]?.shape).toEqual([-1, 2]);
});

const second = (more: Partial<Parameters<typeof testNode>[3]> = {}) => [
  placeholder,
  texts("names"),
  texts("none"),
  texts("dense", "x", "n"),
  testConstant("x/default", [], { shape: [0] }),
  testConstant("n/default", [7], { dtype: "INT32" }),
  testNode(
    "ParseExampleV2",
    "parse",
    ["examples", "names", "none", "dense", "none", "x/default", "n/default"],
    {
      num_sparse: 0,
      Tdense: { types: ["FP32", "INT64"] },
      dense_shapes: { shapes: [[], [1]] },
      ...more,
    } as Parameters<typeof testNode>[3],
  ),
  testNode("Cast", "y", ["parse:1"], { SrcT: { type: "INT64" }, DstT: { type: "FP32" } }),
  testNode("Identity", "z", ["parse"], float),
];

test("the second version names all features in one tensor", async () => {
  const { inputs } = await converted(second());

  expect(inputs[0]?.features).toEqual([
    { name: "n", dtype: "INT64", shape: [1], tensor: "n", default: [7] },
  ]);
});

describe("what a server cannot parse is refused, with the way out", () => {
  const wayOut = "name the tensors after it as the inputs (--inputs), and send them as tensors";

  test.each([
    { name: "a sparse feature", nodes: features, outputs: ["words:0"], says: /varying size/ },
    {
      name: "text",
      nodes: second({ Tdense: { types: ["BYTES", "INT64"] } }),
      outputs: ["z:0"],
      says: /feature "x" is BYTES/,
    },
    {
      name: "an open extent",
      nodes: second({ dense_shapes: { shapes: [[-1], [1]] } }),
      outputs: ["z:0"],
      says: /feature "x" has no fixed size/,
    },
  ])("$name", async ({ nodes, outputs, says }) => {
    const refused = converted(nodes, outputs);

    await expect(refused).rejects.toThrow(says);
    await expect(refused).rejects.toThrow(wayOut);
  });
});
