import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { float32Tensor, type Signature } from "@tensorgate/core";
import { convertSavedModel, SavedModelError } from "@tensorgate/savedmodel";
import {
  decodedPicture,
  mapLoop,
  middle,
  resizedPicture,
  shorterSide,
  type TestNode,
  testConstant,
  testNode,
  withoutMeans,
  writeSavedModel,
} from "@tensorgate/savedmodel/testing";
import { below, mutate, pick } from "./mutate.ts";
import type { FuzzTarget } from "./targets.ts";

const float = { T: { type: "FP32" } } as const;
const integers = (name: string, values: readonly number[] | number) =>
  testConstant(name, values, { dtype: "INT32" });
const window = { strides: [1, 2, 2, 1], padding: "SAME", data_format: "NHWC", ...float } as const;

/** One node of each kind of conversion: calls, conditions, variables, loops, shapes, layouts. */
const network: readonly TestNode[] = [
  testConstant("w", [1, 2, 3, 4, 5, 6], { shape: [1, 1, 3, 2] }),
  testNode("Conv2D", "conv", ["mapped", "w"], window),
  testNode("VariableV2", "bias", [], { dtype: { type: "FP32" }, shape: { shape: [2] } }),
  testNode("BiasAdd", "biased", ["conv", "bias"], float),
  testNode("MaxPool", "pool", ["biased"], { ksize: [1, 3, 3, 1], ...window }),
  integers("paddings", [0, 0, 1, 1, 1, 1, 0, 0]),
  testNode("Reshape", "pads", ["paddings", "pads_shape"], float),
  integers("pads_shape", [4, 2]),
  testNode("Pad", "padded", ["pool", "pads"], float),
  integers("axes", [1, 2]),
  testNode("Mean", "mean", ["padded", "axes"], { keep_dims: true, ...float }),
  testNode("Shape", "shape", ["mean"], { out_type: { type: "INT32" } }),
  integers("begin", [0]),
  integers("end", [1]),
  testNode("StridedSlice", "rows", ["shape", "begin", "end", "end"], { shrink_axis_mask: 1 }),
  integers("channels", 2),
  testNode("Pack", "flat_shape", ["rows", "channels"], { axis: 0 }),
  testNode("Reshape", "flat", ["mean", "flat_shape"], float),
  testNode("PartitionedCall", "called", ["flat"], { f: { function: "half" } }),
  testNode("Softmax", "scores", ["called"], float),
  testConstant("save/file", 0),
  testNode("Const", "save/names", [], { dtype: { type: "BYTES" }, value: { texts: ["key"] } }),
  testNode("RestoreV2", "save/restore", ["save/file", "save/names", "save/names"]),
  testNode("Assign", "save/assign", ["bias", "save/restore"]),
  testNode("NoOp", "save/all", ["^save/assign"]),
];

const body = [
  ...decodedPicture,
  ...shorterSide,
  ...resizedPicture(),
  ...middle,
  ...withoutMeans("middle"),
];
const half = {
  signature: { name: "half", inputArg: [{ name: "a" }], outputArg: [{ name: "r" }] },
  nodeDef: [testConstant("two", 2), testNode("RealDiv", "divided", ["a", "two:output:0"], float)],
  ret: { r: "divided:z:0" },
};
const signature: Signature = {
  inputs: new Map([["images", { dtype: "BYTES", shape: [-1], graphName: "images:0" }]]),
  outputs: new Map([["scores", { dtype: "FP32", shape: [-1, 2], graphName: "scores:0" }]]),
};

const files = ["saved_model.pb", "variables/variables.index"] as const;
const data = "variables/variables.data-00000-of-00001";

function seedFiles(): ReadonlyMap<string, Buffer> {
  const folder = mkdtempSync(join(tmpdir(), "tensorgate-fuzz-"));
  try {
    writeSavedModel(folder, {
      nodes: [...mapLoop(body), ...network],
      functions: [half],
      signatures: { serving_default: signature },
      restoreOp: "save/all",
      variables: new Map([["key", float32Tensor([2], Float32Array.of(0.5, -0.5))]]),
    });
    return new Map([...files, data].map((name) => [name, readFileSync(join(folder, name))]));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const seeds = seedFiles();

/** What no damage may exceed. */
const limits = { maxNodes: 5_000, maxFoldedBytes: 2 ** 24, maxModelBytes: 2 ** 24 };

/** A SavedModel with one damaged file: converted, or refused for a reason. */
export const savedModel: FuzzTarget = {
  name: "saved-model",
  input: (random) => {
    const path = pick(random, files);
    const seed = seeds.get(path) ?? Buffer.alloc(0);
    // The graph is long: what is near its end is damaged as often as what is at its beginning.
    const from = below(random, 2) * below(random, seed.length);
    return {
      path,
      bytes: Buffer.concat([seed.subarray(0, from), mutate(seed.subarray(from), random)]),
    };
  },
  run: async ({ path = "", bytes }) => {
    const folder = mkdtempSync(join(tmpdir(), "tensorgate-fuzz-"));
    try {
      writeSavedModel(folder, { nodes: [], variables: new Map() });
      for (const [name, seed] of seeds) {
        writeFileSync(join(folder, name), name === path ? bytes : seed);
      }
      await convertSavedModel(folder, { limits });
    } catch (thrown) {
      if (!(thrown instanceof SavedModelError)) throw thrown;
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
};
