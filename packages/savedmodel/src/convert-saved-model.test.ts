import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { fromBinary } from "@bufbuild/protobuf";
import { float32Tensor, type Signature, type TensorInfo } from "@tensorgate/core";
import { ModelProtoSchema } from "@tensorgate/proto/onnx/onnx";
import { afterAll, describe, expect, test } from "vitest";
import { type ConvertOptions, convertSavedModel } from "./convert-saved-model.ts";
import { SavedModelError } from "./saved-model-error.ts";
import { testConstant, testNode, writeFrozenGraph, writeSavedModel } from "./testing/index.ts";

const folder = mkdtempSync(join(tmpdir(), "tensorgate-convert-"));
afterAll(() => rmSync(folder, { recursive: true }));
let count = 0;
const newFolder = () => {
  count += 1;
  return join(folder, String(count));
};

type Infos = Readonly<Record<string, TensorInfo>>;
const signature = (inputs: Infos, outputs: Infos): Signature => ({
  inputs: new Map(Object.entries(inputs)),
  outputs: new Map(Object.entries(outputs)),
});
const info = (graphName: string, shape: readonly number[]): TensorInfo => ({
  dtype: "FP32",
  shape,
  graphName,
});

const placeholder = (name: string, shape: readonly number[]) =>
  testNode("Placeholder", name, [], { dtype: { type: "FP32" }, shape: { shape } });
const float = { T: { type: "FP32" } } as const;

/** A frozen graph from x:0, and from what it computes. */
async function convertNodes(
  nodes: Parameters<typeof writeFrozenGraph>[1],
  outputs: readonly string[],
  options: ConvertOptions = {},
) {
  const file = writeFrozenGraph(join(newFolder(), "frozen.pb"), nodes);
  return convertSavedModel(file, { inputs: ["x:0"], outputs, ...options });
}

const opsOf = (onnx: Uint8Array) =>
  fromBinary(ModelProtoSchema, onnx).graph?.node.map(({ opType }) => opType) ?? [];

const numbers = (length: number) => Array.from({ length }, (_, index) => Math.sin(index + 1));
const kernel = (name: string, inputs: number, outputs: number) =>
  testConstant(name, numbers(9 * inputs * outputs), { shape: [3, 3, inputs, outputs] });
const window = { strides: [1, 1, 1, 1], padding: "SAME", data_format: "NHWC", ...float } as const;

const network = [
  placeholder("x", [-1, 8, 8, 3]),
  kernel("w1", 3, 4),
  kernel("w2", 4, 4),
  testConstant("b", [1, 2, 3, 4]),
  testNode("Conv2D", "conv1", ["x", "w1"], window),
  testNode("BiasAdd", "biased", ["conv1", "b"], float),
  testNode("Relu", "relu", ["biased"], float),
  testNode("Conv2D", "conv2", ["relu", "w2"], window),
  testNode("AddV2", "sum", ["conv2", "biased"], float),
  testConstant("axes", [1, 2], { dtype: "INT32" }),
  testNode("Mean", "mean", ["sum", "axes"], { keep_dims: false, ...float }),
];

describe("layout", () => {
  test("a picture is transposed once, whatever is computed of it", async () => {
    const { onnx, outputs, parameterCount } = await convertNodes(network, ["mean:0"]);

    expect(opsOf(onnx)).toEqual("Transpose Conv Add Relu Conv Add ReduceMean Identity".split(" "));
    expect(outputs).toEqual([
      {
        name: "mean",
        key: "mean",
        graphName: "mean:0",
        dtype: "FP32",
        shape: [-1, 4],
        isSoftmax: false,
      },
    ]);
    expect(parameterCount).toBe(9 * 12 + 9 * 16 + 4);
  });

  test("an output has TensorFlow's order of the axes", async () => {
    const { onnx, outputs } = await convertNodes(network, ["sum:0"]);

    expect(opsOf(onnx).slice(-2)).toEqual(["Transpose", "Identity"]);
    expect(outputs[0]?.shape).toEqual([-1, 8, 8, 4]);
  });
});

test("the same graph gives the same bytes", async () => {
  const [one, two] = [await convertNodes(network, ["sum"]), await convertNodes(network, ["sum"])];

  expect(Buffer.compare(one.onnx, two.onnx)).toBe(0);
});

test("the tensors of the signature are taken, by its names", async () => {
  const path = writeSavedModel(newFolder(), {
    nodes: [
      placeholder("serve_x", [-1, 2]),
      testNode("Neg", "negative", ["serve_x"], float),
      testNode("Abs", "other", ["serve_x"], float),
    ],
    signatures: {
      serving_default: signature(
        { x: info("serve_x:0", [-1, 2]) },
        { y: info("negative:0", [-1, 2]) },
      ),
      magnitude: signature({ x: info("serve_x:0", [-1, 2]) }, { z: info("other:0", [-1, 2]) }),
    },
  });

  const byDefault = await convertSavedModel(path);
  const named = await convertSavedModel(path, { signature: "magnitude" });
  const byTensor = await convertSavedModel(path, { outputs: ["other:0"] });

  expect(byDefault).toMatchObject({
    signatureName: "serving_default",
    inputs: [{ name: "x", key: "x", graphName: "serve_x:0", dtype: "FP32", shape: [-1, 2] }],
    outputs: [{ name: "y", key: "y", graphName: "negative:0" }],
  });
  expect(opsOf(named.onnx)).toEqual(["Abs", "Identity"]);
  expect(byTensor.outputs[0]).toMatchObject({ key: "z", graphName: "other:0" });
});

test("an input cuts the graph: what is before it is not looked at", async () => {
  const { onnx } = await convertNodes(
    [
      testNode("ParseExample", "parse", ["examples"]),
      testNode("Identity", "x", ["parse"], float),
      testNode("Neg", "y", ["x"], float),
    ],
    ["y"],
  );

  expect(opsOf(onnx)).toEqual(["Neg", "Identity"]);
});

test("variables are found by what restores them, whatever they are called", async () => {
  const path = writeSavedModel(newFolder(), {
    nodes: [
      placeholder("x", [-1]),
      testNode("VariableV2", "Variable_261", [], { dtype: { type: "FP32" }, shape: { shape: [] } }),
      testNode("Mul", "y", ["x", "Variable_261"], float),
      testConstant("save/Const", 0),
      testNode("Const", "save/names", [], {
        dtype: { type: "BYTES" },
        value: { texts: ["decoy", "half/.ATTRIBUTES/VARIABLE_VALUE"] },
      }),
      testNode("RestoreV2", "save/RestoreV2", ["save/Const", "save/names", "save/names"]),
      testNode("Assign", "save/Assign", ["Variable_261", "save/RestoreV2:1"]),
      testNode("NoOp", "save/restore_all", ["^save/Assign"]),
    ],
    signatures: { serving_default: signature({ x: info("x:0", [-1]) }, { y: info("y:0", [-1]) }) },
    restoreOp: "save/restore_all",
    variables: new Map([
      ["decoy", float32Tensor([], Float32Array.of(7))],
      ["half/.ATTRIBUTES/VARIABLE_VALUE", float32Tensor([], Float32Array.of(0.5))],
    ]),
  });

  const { onnx } = await convertSavedModel(path);

  const [held] = fromBinary(ModelProtoSchema, onnx).graph?.initializer ?? [];
  expect(held?.rawData).toEqual(new Uint8Array(Float32Array.of(0.5).buffer));
});

describe("conditions", () => {
  const old = (test: Parameters<typeof testNode>[1]) => [
    placeholder("x", [2]),
    testConstant("yes", 1, { dtype: "INT32" }),
    testConstant("no", 0, { dtype: "INT32" }),
    testNode("Switch", "switch", ["x", test], float),
    testNode("Neg", "taken", ["switch:1"], float),
    testNode("Unheard", "other", ["switch"], float),
    testNode("Merge", "y", ["other", "taken"], float),
  ];

  test("only the branch of a constant is converted", async () => {
    expect(opsOf((await convertNodes(old("yes"), ["y"])).onnx)).toEqual(["Neg", "Identity"]);
    await expect(convertNodes(old("no"), ["y"])).rejects.toThrow("Unheard");
  });

  test("both branches of what is not constant are computed, and one is selected", async () => {
    const { onnx } = await convertNodes(
      [
        placeholder("x", []),
        testConstant("zero", 0),
        testNode("Greater", "test", ["x", "zero"], float),
        testNode("Switch", "switch", ["x", "test"], float),
        testNode("Neg", "taken", ["switch:1"], float),
        testNode("Abs", "other", ["switch:0"], float),
        testNode("Merge", "y", ["other", "taken"], float),
      ],
      ["y"],
    );

    const where = fromBinary(ModelProtoSchema, onnx).graph?.node.find(
      ({ opType }) => opType === "Where",
    );
    expect(where?.input).toEqual(["test", "taken", "other"]);
  });
});

describe("functions", () => {
  const calling = (name: string, callee: string) => ({
    signature: { name, inputArg: [{ name: "a" }], outputArg: [{ name: "r" }] },
    nodeDef: [testNode("PartitionedCall", "call", ["a"], { f: { function: callee } })],
    ret: { r: "call:output:0" },
  });
  const leaf = {
    signature: { name: "leaf", inputArg: [{ name: "a" }], outputArg: [{ name: "r" }] },
    nodeDef: [testNode("Neg", "negative", ["a"], float)],
    ret: { r: "negative:y:0" },
  };
  const main = [
    placeholder("x", [2]),
    testNode("StatefulPartitionedCall", "y", ["x"], { f: { function: "f0" } }),
  ];
  const written = (functions: readonly ReturnType<typeof calling>[]) =>
    writeSavedModel(newFolder(), {
      nodes: main,
      functions: [...functions, leaf],
      signatures: { serving_default: signature({ x: info("x:0", [2]) }, { y: info("y:0", [2]) }) },
    });
  const chain = (length: number, last: string) =>
    Array.from({ length }, (_, index) =>
      calling(`f${index}`, index === length - 1 ? last : `f${index + 1}`),
    );

  test("calls are inlined", async () => {
    const { onnx } = await convertSavedModel(written(chain(20, "leaf")));

    expect(opsOf(onnx)).toEqual(["Neg", "Identity"]);
  });

  test.each([
    { name: "10,000 deep", functions: chain(10_000, "leaf") },
    { name: "without an end", functions: chain(3, "f0") },
  ])("calls $name are refused", async ({ functions }) => {
    await expect(convertSavedModel(written(functions))).rejects.toMatchObject({
      fault: "too-large",
      message: "functions are nested deeper than 64 calls",
    });
  });

  test("names that grow with every call stay short and unique", async () => {
    const name = "n".repeat(1_000);
    const twice = (from: string, callee: string) => ({
      signature: { name: from, inputArg: [{ name: "a" }], outputArg: [{ name: "r" }] },
      nodeDef: [
        testNode("PartitionedCall", name, ["a"], { f: { function: callee } }),
        testNode("PartitionedCall", `${name}2`, ["a"], { f: { function: callee } }),
        testNode("AddV2", "sum", [`${name}:output:0`, `${name}2:output:0`], float),
      ],
      ret: { r: "sum:z:0" },
    });

    const { onnx, nodeCount } = await convertSavedModel(
      written([twice("f0", "f1"), twice("f1", "f2"), twice("f2", "leaf")]),
    );

    expect(opsOf(onnx).filter((op) => op === "Neg")).toHaveLength(8);
    expect(nodeCount).toBe(8 + 7 + 1);
    expect(onnx.byteLength).toBeLessThan(20_000);
  });

  test("a name of more than 1,024 characters is refused", async () => {
    const long = testNode("Neg", "n".repeat(1_025), ["x"]);

    await expect(convertNodes([placeholder("x", [1]), long], ["x"])).rejects.toMatchObject({
      fault: "too-large",
    });
  });

  test("a function that the graph lacks is named", async () => {
    await expect(convertSavedModel(written(chain(1, "nowhere")))).rejects.toThrow(
      "the graph calls function nowhere, which it lacks",
    );
  });
});

describe("what is refused", () => {
  test("every operator without a conversion is listed, with its nodes", async () => {
    const nodes = [
      placeholder("x", [2]),
      testNode("Unheard", "a", ["x"]),
      testNode("Unheard", "b", ["x"]),
      testNode("Quaint", "c", ["a"]),
      testNode("Neg", "d", ["x"], float),
      testConstant("paddings", [1, 1], { dtype: "INT32", shape: [1, 2] }),
      testNode("MirrorPad", "p", ["x", "d"], { mode: "REFLECT" }),
      testNode("AddN", "y", ["a", "b", "c", "d", "p"], float),
    ];

    const thrown = await convertNodes(nodes, ["y"]).catch((error: SavedModelError) => error);

    expect(thrown).toBeInstanceOf(SavedModelError);
    expect(thrown).toMatchObject({
      fault: "unsupported",
      operators: [
        { op: "Unheard", nodes: ["a", "b"] },
        { op: "Quaint", nodes: ["c"] },
        { op: "MirrorPad", reason: "the paddings are not constant", nodes: ["p"] },
      ],
    });
    expect((thrown as Error).message).toBe(
      [
        "operators without a conversion:",
        "  Unheard: it has no conversion (a, b)",
        "  Quaint: it has no conversion (c)",
        "  MirrorPad: the paddings are not constant (p)",
      ].join("\n"),
    );
  });

  test("an unknown tensor is answered with the nearest", async () => {
    await expect(convertNodes(network, ["man:0"])).rejects.toMatchObject({
      fault: "unknown-name",
      message: expect.stringContaining("the graph has no tensor man:0; the nearest: mean:0"),
    });
  });

  test("a frozen graph needs names, and tells what could be some", async () => {
    const file = writeFrozenGraph(join(newFolder(), "frozen.pb"), network);

    await expect(convertSavedModel(file)).rejects.toThrow(
      "the model has no signature: name its inputs, such as x:0",
    );
  });

  test("nodes in a circle are refused", async () => {
    const nodes = [
      placeholder("x", [2]),
      testNode("Add", "a", ["x", "b"], float),
      testNode("Neg", "b", ["a"], float),
    ];

    await expect(convertNodes(nodes, ["b"])).rejects.toThrow("node b depends on itself");
  });

  test("a chain longer than the stack is converted, up to the limit of nodes", async () => {
    const chain = (length: number) => [
      placeholder("x", [2]),
      ...Array.from({ length }, (_, index) =>
        testNode("Neg", `n${index}`, [index === 0 ? "x" : `n${index - 1}`], float),
      ),
    ];

    const { nodeCount } = await convertNodes(chain(20_000), ["n19999"]);
    expect(nodeCount).toBe(20_001);
    await expect(
      convertNodes(chain(101), ["n100"], { limits: { maxNodes: 100 } }),
    ).rejects.toMatchObject({ fault: "too-large" });
  });

  const filled = (name: string, extents: readonly number[]) =>
    testNode("Const", name, [], {
      dtype: { type: "FP32" },
      value: { filled: { shape: extents, value: 1 } },
    });

  test.each([
    {
      name: "a product of two vectors",
      nodes: [
        filled("column", [1_000_000, 1]),
        filled("row", [1, 1_000_000]),
        testNode("Mul", "y", ["column", "row"], float),
      ],
    },
    {
      name: "a vector that is doubled again and again",
      nodes: [
        filled("n0", [1_000]),
        testConstant("axis", 0, { dtype: "INT32" }),
        ...Array.from({ length: 40 }, (_, index) =>
          testNode("ConcatV2", `n${index + 1}`, [`n${index}`, `n${index}`, "axis"], float),
        ),
        testNode("Identity", "y", ["n40"], float),
      ],
    },
    {
      name: "a thousand constants of one value each",
      nodes: [
        ...Array.from({ length: 1_000 }, (_, index) => filled(`n${index}`, [4_000, 1_000])),
        testNode(
          "AddN",
          "y",
          Array.from({ length: 1_000 }, (_, index) => `n${index}`),
          float,
        ),
      ],
    },
  ])("$name: constants take no more memory than the limit", async ({ nodes }) => {
    const limits = { maxFoldedBytes: 50_000_000 };

    await expect(
      convertNodes([placeholder("x", [1]), ...nodes], ["y"], { limits }),
    ).rejects.toThrow(/constants of more than|tensors of \d+ bytes, written out/);
  });

  test.each([
    testNode("Unpack", "y", ["x"], { num: 1_000_000_000, axis: 0, ...float }),
    testNode("Split", "y", ["axis", "x"], { num_split: 1_000_000_000, ...float }),
  ])("$op into 1,000,000,000 parts is refused", async (node) => {
    const nodes = [
      placeholder("x", [1_000_000_000]),
      testConstant("axis", 0, { dtype: "INT32" }),
      node,
    ];

    await expect(convertNodes(nodes, ["y"])).rejects.toThrow("into 1000000000 parts");
  });

  test("a placeholder that is not fed is named", async () => {
    const nodes = [placeholder("x", [2]), placeholder("z", [2]), testNode("Add", "y", ["x", "z"])];

    await expect(convertNodes(nodes, ["y"])).rejects.toThrow(
      "Placeholder: it is not among the inputs; name it, or a tensor after it (z)",
    );
  });

  test("an aborted conversion ends with the reason", async () => {
    const nodes = [
      placeholder("x", [2]),
      ...Array.from({ length: 2_000 }, (_, index) =>
        testNode("Neg", `n${index}`, [index === 0 ? "x" : `n${index - 1}`], float),
      ),
    ];
    const seen: number[] = [];
    const controller = new AbortController();
    const onProgress = (nodeCount: number) => {
      seen.push(nodeCount);
      controller.abort(new Error("no longer wanted"));
    };
    const { signal } = controller;

    await expect(convertNodes(nodes, ["n1999"], { onProgress, signal })).rejects.toThrow(
      "no longer wanted",
    );
    expect(seen).toHaveLength(1);
  });
});

const samples = fileURLToPath(new URL("../../../../shared/data/savedmodels", import.meta.url));

describe.skipIf(!existsSync(samples))("TensorFlow Serving's own models", () => {
  test.each([
    "saved_model_half_plus_two_cpu/00000123",
    "saved_model_half_plus_two_tf2_cpu/00000123",
    "saved_model_half_plus_three/00000123",
  ])("%s is converted", async (name) => {
    const { onnx, inputs } = await convertSavedModel(join(samples, name));

    expect(opsOf(onnx)).toEqual(["Mul", "Add", "Identity"]);
    expect(inputs.map(({ key }) => key)).toEqual(["x"]);
  });

  test("the counter keeps state, whatever its signature does", async () => {
    const path = join(samples, "saved_model_counter/00000123");

    for (const name of ["incr_counter", "get_counter"]) {
      await expect(convertSavedModel(path, { signature: name })).rejects.toMatchObject({
        fault: "stateful",
        message: expect.stringContaining("AssignAdd"),
      });
    }
  });
});
