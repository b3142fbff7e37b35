import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import { float32Tensor } from "@tensorgate/core";
import { bundledModelsDirectory } from "@tensorgate/model-server";
import { ModelProtoSchema } from "@tensorgate/proto/onnx/onnx";
import {
  decodedPicture,
  mapLoop,
  resizedPicture,
  type TestNode,
  testConstant,
  testNode,
  writeSavedModel,
} from "@tensorgate/savedmodel/testing";

const float = { T: { type: "FP32" } } as const;

/**
 * Writes the bundled model `shapes` as a SavedModel of TensorFlow 1, which decodes and resizes its pictures itself, as one
 * comes from a data scientist.
 *
 * @returns the folder
 */
export function writeShapesSavedModel(folder: string): string {
  const weights = bundledWeights();
  const constant = (name: string, { shape, values }: Weights = weightsOf(weights, name)) =>
    testNode("Const", name, [], {
      dtype: { type: "FP32" },
      value: { tensor: float32Tensor(shape, values) },
    });
  const axes = (name: string) => testConstant(name, [1, 2], { dtype: "INT32" });
  const convolution = (layer: number, input: string, { stride = 1, pad = 1 } = {}): TestNode[] => [
    constant(`filter${layer}`, filterOf(weightsOf(weights, `weights${layer}`))),
    constant(`bias${layer}`),
    testConstant(`pads${layer}`, [0, 0, pad, pad, pad, pad, 0, 0], {
      dtype: "INT32",
      shape: [4, 2],
    }),
    testNode("Pad", `padded${layer}`, [input, `pads${layer}`], float),
    testNode("Conv2D", `conv${layer}`, [`padded${layer}`, `filter${layer}`], {
      strides: [1, stride, stride, 1],
      padding: "VALID",
      data_format: "NHWC",
      ...float,
    }),
    testNode("BiasAdd", `biased${layer}`, [`conv${layer}`, `bias${layer}`], float),
    testNode("Relu", `relu${layer}`, [`biased${layer}`], float),
  ];
  const pool = (op: "AvgPool" | "MaxPool", name: string, input: string, side: number) =>
    testNode(op, name, [input], {
      ksize: [1, side, side, 1],
      strides: [1, side, side, 1],
      padding: "VALID",
      ...float,
    });
  const mean = (name: string, input: string, isKept: boolean) => [
    axes(`${name}/axes`),
    testNode("Mean", name, [input, `${name}/axes`], { keep_dims: isKept, ...float }),
  ];
  const nodes = [
    ...mapLoop([
      ...decodedPicture,
      testConstant("size", [224, 224], { dtype: "INT32" }),
      ...resizedPicture(),
      testNode("Identity", "result", ["resized"]),
    ]),
    pool("AvgPool", "small", "mapped", 4),
    ...mean("average", "small", true),
    testNode("Sub", "centred", ["small", "average"], float),
    testNode("Square", "squares", ["centred"], float),
    ...mean("variance", "squares", true),
    testConstant("four", 4),
    testNode("AddV2", "spread", ["variance", "four"], float),
    testNode("Rsqrt", "inverse", ["spread"], float),
    testNode("Mul", "normal", ["centred", "inverse"], float),
    ...convolution(0, "normal", { stride: 2, pad: 2 }),
    ...convolution(1, "relu0"),
    pool("MaxPool", "pool1", "relu1", 2),
    ...convolution(2, "pool1"),
    pool("MaxPool", "pool2", "relu2", 2),
    ...convolution(3, "pool2"),
    ...mean("features", "relu3", false),
    constant("head_weights"),
    constant("head_bias"),
    testNode("MatMul", "product", ["features", "head_weights"], { transpose_b: true, ...float }),
    testNode("BiasAdd", "logits", ["product", "head_bias"], float),
    testNode("Softmax", "scores", ["logits"], float),
  ];
  return writeSavedModel(folder, {
    nodes,
    signatures: {
      serving_default: {
        inputs: new Map([["images", { dtype: "BYTES", shape: [-1], graphName: "images:0" }]]),
        outputs: new Map([["scores", { dtype: "FP32", shape: [-1, 16], graphName: "scores:0" }]]),
      },
    },
  });
}

interface Weights {
  readonly shape: readonly number[];
  readonly values: Float32Array<ArrayBuffer>;
}

function bundledWeights(): ReadonlyMap<string, Weights> {
  const file = join(bundledModelsDirectory, "shapes", "1", "model.onnx");
  const { graph } = fromBinary(ModelProtoSchema, readFileSync(file));
  return new Map(
    (graph?.initializer ?? []).map(({ name, dims, rawData }) => [
      name,
      { shape: dims.map(Number), values: new Float32Array(new Uint8Array(rawData).buffer) },
    ]),
  );
}

function weightsOf(weights: ReadonlyMap<string, Weights>, name: string): Weights {
  const found = weights.get(name);
  if (found) return found;
  throw new Error(`the bundled model has no ${name}; it has ${[...weights.keys()].join(", ")}`);
}

/** ONNX has filters as [out, in, rows, columns], TensorFlow as [rows, columns, in, out]. */
function filterOf({ shape, values }: Weights): Weights {
  const [outs = 0, ins = 0, rows = 0, columns = 0] = shape;
  const turned = new Float32Array(values.length);
  for (let at = 0; at < values.length; at += 1) {
    const column = at % columns;
    const row = Math.floor(at / columns) % rows;
    const channel = Math.floor(at / (columns * rows)) % ins;
    const out = Math.floor(at / (columns * rows * ins));
    turned[((row * columns + column) * ins + channel) * outs + out] = values[at] ?? 0;
  }
  return { shape: [rows, columns, ins, outs], values: turned };
}
