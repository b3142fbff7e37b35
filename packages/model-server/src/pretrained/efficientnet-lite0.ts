import { createGraphBuilder, type GraphBuilder } from "../onnx/graph-builder.ts";
import { CheckpointError, type StoredTensor } from "./state-dict.ts";

/** Of the first convolution of each block; the others are at 1. */
const blockStrides = [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1];

/** Of the batch normalisations, as they were trained. */
const epsilon = 1e-3;

interface ConvolutionOptions {
  readonly kernel: string;
  readonly normalisation: string;
  readonly stride?: number;
  readonly isDepthwise?: boolean;
  /** A projection has none. */
  readonly hasActivation?: boolean;
}

/**
 * Builds EfficientNet-Lite0 as ONNX: `input` FP32 `[N, 3, 224, 224]`, RGB, minus 127, divided by 128, to `scores`
 * `[N, 1000]` (probabilities) and `features` `[N, 1280]`. Batch normalisations are folded into the convolutions.
 *
 * @param weights - by their names in the checkpoint
 * @see Tan and Le 2019, table 1, without squeeze-and-excitation and with ReLU6 for all activations
 * @throws CheckpointError if a tensor is missing or has another shape than the layer needs
 */
export function efficientNetLite0(weights: ReadonlyMap<string, StoredTensor>): Uint8Array {
  const graph = createGraphBuilder("efficientnet-lite0");
  const layers = createLayers(graph, weights);

  let value = graph.input("input", ["N", 3, 224, 224]);
  value = layers.convolution(value, { kernel: "_conv_stem", normalisation: "_bn0", stride: 2 });
  for (const [index, stride] of blockStrides.entries()) {
    value = layers.block(value, `_blocks.${index}.`, stride);
  }
  value = layers.convolution(value, { kernel: "_conv_head", normalisation: "_bn1" });
  const pooled = graph.op("GlobalAveragePool", [value]);
  const features = graph.op("Flatten", [pooled], { axis: 1 }, "features");
  const [classWeights, classBiases] = ["_fc.weight", "_fc.bias"].map(layers.tensor);
  const logits = graph.op("Gemm", [features, classWeights ?? "", classBiases ?? ""], { transB: 1 });
  graph.op("Softmax", [logits], { axis: -1 }, "scores");
  graph.output("scores", ["N", 1_000]);
  graph.output("features", ["N", 1_280]);
  return graph.finish();
}

function createLayers(graph: GraphBuilder, weights: ReadonlyMap<string, StoredTensor>) {
  const six = graph.scalar(6);
  const zero = graph.scalar(0);

  const stored = (name: string): StoredTensor => {
    const tensor = weights.get(name);
    if (!tensor) throw new CheckpointError(`the checkpoint has no tensor ${name}`);
    return tensor;
  };
  const vector = (name: string, length: number): Float32Array => {
    const { values, shape } = stored(name);
    if (values.length === length) return values;
    throw new CheckpointError(`tensor ${name} is [${shape.join(", ")}]; expected ${length} values`);
  };
  const kernelShape = (name: string): readonly [number, number, number, number] => {
    const { shape } = stored(name);
    const [outputs = 0, inputs = 0, height = 0, width = 0] = shape;
    if (shape.length === 4) return [outputs, inputs, height, width];
    throw new CheckpointError(`tensor ${name} is [${shape.join(", ")}]; expected a kernel`);
  };

  const convolution = (input: string, options: ConvolutionOptions): string => {
    const { kernel, normalisation, stride = 1, isDepthwise, hasActivation = true } = options;
    const shape = kernelShape(`${kernel}.weight`);
    const [channels, , height, width] = shape;
    const [gamma, beta, mean, variance] = ["weight", "bias", "running_mean", "running_var"].map(
      (part) => vector(`${normalisation}.${part}`, channels),
    ) as [Float32Array, Float32Array, Float32Array, Float32Array];
    const scales = variance.map((each, index) => (gamma[index] ?? 0) / Math.sqrt(each + epsilon));
    const { values } = stored(`${kernel}.weight`);
    const perChannel = values.length / channels;
    const folded = values.map(
      (each, index) => each * (scales[Math.floor(index / perChannel)] ?? 0),
    );
    const biases = beta.map((each, index) => each - (mean[index] ?? 0) * (scales[index] ?? 0));
    const output = graph.op(
      "Conv",
      [
        input,
        graph.floats(`${kernel}.weight`, shape, folded),
        graph.floats(`${kernel}.bias`, [channels], biases),
      ],
      {
        kernel_shape: [height, width],
        strides: [stride, stride],
        group: isDepthwise ? channels : 1,
        // As TensorFlow pads, where it was trained.
        auto_pad: { text: "SAME_UPPER" },
      },
    );
    return hasActivation ? graph.op("Clip", [output, zero, six]) : output;
  };

  return {
    convolution,
    tensor: (name: string): string => {
      const { shape, values } = stored(name);
      return graph.floats(name, shape, values);
    },
    /** An inverted bottleneck: 1 × 1 expansion (if there is one), depthwise convolution, 1 × 1 projection. */
    block: (input: string, prefix: string, stride: number): string => {
      const hasExpansion = weights.has(`${prefix}_expand_conv.weight`);
      const expanded = hasExpansion
        ? convolution(input, { kernel: `${prefix}_expand_conv`, normalisation: `${prefix}_bn0` })
        : input;
      const depthwise = `${prefix}_depthwise_conv`;
      const filtered = convolution(expanded, {
        kernel: depthwise,
        normalisation: `${prefix}_bn1`,
        stride,
        isDepthwise: true,
      });
      const projection = `${prefix}_project_conv`;
      const projected = convolution(filtered, {
        kernel: projection,
        normalisation: `${prefix}_bn2`,
        hasActivation: false,
      });
      const [, inputs] = hasExpansion ? kernelShape(`${prefix}_expand_conv.weight`) : [];
      const [outputs] = kernelShape(`${projection}.weight`);
      const isResidual =
        stride === 1 && (inputs ?? kernelShape(`${depthwise}.weight`)[0]) === outputs;
      return isResidual ? graph.op("Add", [input, projected]) : projected;
    },
  };
}
