import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { float32Tensor, float32Values, type Signature } from "@tensorgate/core";
import { testConstant, testNode, writeSavedModel } from "@tensorgate/savedmodel/testing";
import { afterAll, describe, expect, test } from "vitest";
import { startModelServer } from "../model-server.ts";
import { createServingCaller } from "../testing.ts";
import { convertModel } from "./convert-model.ts";

const root = mkdtempSync(join(tmpdir(), "tensorgate-conversion-"));
afterAll(() => rmSync(root, { recursive: true }));
const cacheFolder = join(root, "cache");

const float = { T: { type: "FP32" } } as const;
const signature: Signature = {
  inputs: new Map([["x", { dtype: "FP32", shape: [-1, 2, 3, 1], graphName: "in:0" }]]),
  outputs: new Map([["y", { dtype: "FP32", shape: [-1, 2], graphName: "y:0" }]]),
};

/** A picture of 2×3 through a 1×2 kernel, SAME, to two channels, and their sums. */
const nodes = [
  testNode("Placeholder", "in", [], { dtype: { type: "FP32" }, shape: { shape: [-1, 2, 3, 1] } }),
  testConstant("w", [1, 10, 2, 20], { shape: [1, 2, 1, 2] }),
  testNode("Conv2D", "conv", ["in", "w"], { strides: [1, 1, 1, 1], padding: "SAME", ...float }),
  testConstant("b", [0.5, -0.5]),
  testNode("BiasAdd", "biased", ["conv", "b"], float),
  testConstant("axes", [1, 2], { dtype: "INT32" }),
  testNode("Sum", "y", ["biased", "axes"], float),
];

function savedModel(
  name: string,
  more: Partial<Parameters<typeof writeSavedModel>[1]> = {},
): string {
  const signatures = { serving_default: signature };
  return writeSavedModel(join(root, name, "models", "m", "1"), { nodes, signatures, ...more });
}

const picture = [1, 2, 3, 4, 5, 6];
// Each pixel counts once by the first column of the kernel, and all but the leftmost by the second.
const sums = [21 + 2 * 16 + 6 * 0.5, 210 + 20 * 16 - 6 * 0.5];

describe("convertModel", () => {
  test("writes a folder that can be served, which ONNX Runtime has run", async () => {
    const to = join(root, "converted");

    const { nodeCount, manifest } = await convertModel({ from: savedModel("one"), to });

    expect(nodeCount).toBe(5);
    expect(readdirSync(to).toSorted()).toEqual(["manifest.json", "model.onnx"]);
    expect(JSON.parse(readFileSync(join(to, "manifest.json"), "utf8"))).toEqual(manifest);
    expect(manifest.signatures["serving_default"]?.inputs).toEqual({
      x: { dtype: "FP32", shape: [-1, 2, 3, 1], tensor: "x", graphName: "in:0" },
    });
  });

  test("leaves nothing behind if the engine does not take the result", async () => {
    const to = join(root, "refused", "out");
    const wrong = [
      ...nodes.slice(0, 1),
      testConstant("far", [0, 0, 0, 9], { dtype: "INT32" }),
      testConstant("size", [1, 1, 1, 1], { dtype: "INT32" }),
      testNode("Transpose", "y", ["in", "far"], float),
    ];
    mkdirSync(join(root, "refused"));

    await expect(convertModel({ from: savedModel("wrong", { nodes: wrong }), to })).rejects.toThrow(
      "ONNX Runtime does not take the converted model",
    );
    expect(readdirSync(join(root, "refused"))).toEqual([]);
  });
});

describe("the model server", () => {
  test("serves a SavedModel as it is, and converts it once", async () => {
    savedModel("two");
    const models = { directory: join(root, "two", "models") };
    const start = () => startModelServer({ port: 0, models, cacheFolder });

    for (let round = 0; round < 2; round += 1) {
      const server = await start();
      using caller = createServingCaller(server.port);
      const x = float32Tensor([1, 2, 3, 1], Float32Array.from(picture));
      const { y } = Object.fromEntries(await caller.score("m", { x }));

      expect([...float32Values(y ?? x)]).toEqual(sums);
      expect((await caller.signature("m"))?.inputs.get("x")?.graphName).toBe("in:0");
      await server.close(0);
    }
    expect(readdirSync(join(cacheFolder, "converted"))).toHaveLength(1);
  });

  test("reports a SavedModel that cannot be converted in one line", async () => {
    const unheard = [...nodes.slice(0, -1), testNode("Unheard", "y", ["biased", "axes"])];
    savedModel("three", { nodes: unheard });
    const models = { directory: join(root, "three", "models") };

    await expect(startModelServer({ port: 0, models, cacheFolder })).rejects.toThrow(
      "model m, version 1, cannot be served: operators without a conversion:; Unheard: it has no conversion (y)",
    );
  });
});

const samples = fileURLToPath(new URL("../../../../../shared/data/savedmodels", import.meta.url));

test
  .skipIf(!existsSync(samples))
  .each(["saved_model_half_plus_two_cpu", "saved_model_half_plus_two_tf2_cpu"])(
  "%s answers as TensorFlow Serving does",
  async (name) => {
    const server = await startModelServer({
      port: 0,
      restPort: 0,
      models: { name: "half_plus_two", basePath: join(samples, name) },
      cacheFolder,
    });
    using caller = createServingCaller(server.port);

    const { values, version } = await caller.predict("half_plus_two", { x: [1, 2, 5] });
    const reply = await fetch(
      `http://127.0.0.1:${server.restPort}/v1/models/half_plus_two:predict`,
      {
        method: "POST",
        body: '{"instances": [1.0, 2.0, 5.0]}',
      },
    );

    expect(values).toEqual([2.5, 3, 4.5]);
    expect(version).toBe(123n);
    expect(await reply.json()).toEqual({ predictions: [2.5, 3, 4.5] });
    await server.close(0);
  },
);

test
  .skipIf(!existsSync(samples))
  .each(["saved_model_half_plus_two_cpu", "saved_model_half_plus_two_tf2_cpu"])(
  "the signature for examples of %s is converted, and answers regress",
  async (name) => {
    const to = join(root, "examples", name, "half", "1");
    const from = join(samples, name, "00000123");
    const { manifest } = await convertModel({ from, to, signature: "regress_x_to_y" });
    const server = await startModelServer({
      port: 0,
      restPort: 0,
      models: { directory: join(root, "examples", name) },
    });

    const reply = await fetch(`http://127.0.0.1:${server.restPort}/v1/models/half:regress`, {
      method: "POST",
      // In JSON of TensorFlow Serving's clients 1.0 is a float, and 1 an integer.
      body: '{"signature_name": "regress_x_to_y", "examples": [{"x": 1.0}, {"x": 2.0}, {"x": 5.0}]}',
    });

    expect(await reply.json()).toEqual({ results: [2.5, 3, 4.5] });
    expect(manifest.signatures["regress_x_to_y"]).toMatchObject({
      inputs: { inputs: { dtype: "BYTES", examples: { x: { dtype: "FP32", shape: [1] } } } },
    });
    await server.close(0);
  },
);

test.each(["FP16", "FP32", "FP64"] as const)(
  "constants have the type of %s inputs",
  async (dtype) => {
    const type = { T: { type: dtype } } as const;
    const info = (graphName: string) => ({ dtype, shape: [2], graphName });
    const from = writeSavedModel(join(root, dtype, "from"), {
      nodes: [
        testNode("Placeholder", "x", [], { dtype: { type: dtype }, shape: { shape: [2] } }),
        testNode("Relu6", "clipped", ["x"], type),
        testNode("Pack", "y", ["clipped", "clipped"], { axis: 0, ...type }),
      ],
      signatures: {
        serving_default: {
          inputs: new Map([["x", info("x:0")]]),
          outputs: new Map([["y", info("y:0")]]),
        },
      },
    });

    const { manifest } = await convertModel({ from, to: join(root, dtype, "to") });

    expect(manifest.signatures["serving_default"]?.outputs["y"]?.dtype).toBe(dtype);
  },
);
