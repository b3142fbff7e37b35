import { createGraphBuilder, type GraphBuilder } from "../onnx/graph-builder.ts";
import type { WeightSink } from "./weight-file.ts";

/** Values that flow between layers: `[N, channels, side, side]`. */
export interface Plane {
  readonly name: string;
  readonly channels: number;
  readonly sidePx: number;
}

export interface ConvolutionOptions {
  readonly name: string;
  readonly channels: number;
  readonly kernelPx: number;
  /** @default 1 */
  readonly stride?: number;
  /** On every side; half of the kernel by default, which keeps the size at a stride of 1. */
  readonly paddingPx?: number;
  /** @default 1 */
  readonly dilation?: number;
  /** Whether a bias is added, where no normalisation follows. */
  readonly hasBias?: boolean;
  /** Of the weights, over what keeps the variance through a ReLU. @default 1 */
  readonly gain?: number;
}

export interface PoolOptions {
  readonly kernelPx: number;
  readonly stride: number;
  /** Before and after, along both axes. @default [0, 0] */
  readonly paddingPx?: readonly [before: number, after: number];
}

/** Builds a network layer by layer, its weights going to a sink. */
export interface NetworkBuilder {
  readonly graph: GraphBuilder;
  /** The pictures: FP32 `[N, sidePx, sidePx, 3]`, means subtracted, brought to a deviation of about 1. */
  input(sidePx: number, factor: number): Plane;
  convolution(input: Plane, options: ConvolutionOptions): Plane;
  /** Batch normalisation whose result has `scale` times the deviation of 1. */
  normalisation(input: Plane, name: string, scale?: number): Plane;
  relu(input: Plane): Plane;
  maxPool(input: Plane, options: PoolOptions): Plane;
  /** A constant tensor of seeded or constant weights. */
  weights(
    name: string,
    shape: readonly number[],
    filling: Parameters<WeightSink["add"]>[2],
  ): string;
  /** Fully connected: `[N, inputs]` to `[N, outputs]`. */
  dense(input: string, options: DenseOptions): string;
}

export interface DenseOptions {
  readonly name: string;
  readonly inputs: number;
  readonly outputs: number;
}

/** @see He et al. 2015, section 2.2: the deviation that a ReLU leaves as it is */
function heLimit(fanIn: number, gain: number): number {
  return gain * Math.sqrt(6 / fanIn);
}

const normalisationEpsilon = 1e-5;

export function createNetworkBuilder(graphName: string, sink: WeightSink): NetworkBuilder {
  const graph = createGraphBuilder(graphName);

  const weights: NetworkBuilder["weights"] = (name, shape, filling) => {
    const valueCount = shape.reduce((product, extent) => product * extent, 1);
    return graph.externalFloats(name, shape, sink.add(name, valueCount, filling));
  };
  const constant = (name: string, length: number, value: number) =>
    weights(name, [length], { kind: "constant", value });

  return {
    graph,
    weights,

    input: (sidePx, factor) => {
      graph.input("images", ["N", sidePx, sidePx, 3]);
      const scaled = factor === 1 ? "images" : graph.op("Mul", ["images", graph.scalar(factor)]);
      const name = graph.op("Transpose", [scaled], { perm: [0, 3, 1, 2] });
      return { name, channels: 3, sidePx };
    },

    convolution: (input, options) => {
      const { name, channels, kernelPx, stride = 1, dilation = 1, gain = 1 } = options;
      const reach = dilation * (kernelPx - 1) + 1;
      const { paddingPx = (reach - 1) / 2 } = options;
      const kernel = weights(`${name}/weights`, [channels, input.channels, kernelPx, kernelPx], {
        kind: "uniform",
        limit: heLimit(input.channels * kernelPx * kernelPx, gain),
      });
      const bias = options.hasBias ? [constant(`${name}/biases`, channels, 0)] : [];
      const made = graph.op("Conv", [input.name, kernel, ...bias], {
        kernel_shape: [kernelPx, kernelPx],
        strides: [stride, stride],
        dilations: [dilation, dilation],
        pads: [paddingPx, paddingPx, paddingPx, paddingPx],
      });
      const sidePx = Math.floor((input.sidePx + 2 * paddingPx - reach) / stride) + 1;
      return { name: made, channels, sidePx };
    },

    normalisation: (input, name, scale = 1) => {
      const { channels } = input;
      const parameters = [
        constant(`${name}/gamma`, channels, scale),
        constant(`${name}/beta`, channels, 0),
        constant(`${name}/moving_mean`, channels, 0),
        constant(`${name}/moving_variance`, channels, 1),
      ];
      const normalised = graph.op("BatchNormalization", [input.name, ...parameters], {
        epsilon: { float: normalisationEpsilon },
      });
      return { ...input, name: normalised };
    },

    relu: (input) => ({ ...input, name: graph.op("Relu", [input.name]) }),

    maxPool: (input, { kernelPx, stride, paddingPx = [0, 0] }) => {
      const [before, after] = paddingPx;
      const name = graph.op("MaxPool", [input.name], {
        kernel_shape: [kernelPx, kernelPx],
        strides: [stride, stride],
        pads: [before, before, after, after],
      });
      const sidePx = Math.floor((input.sidePx + before + after - kernelPx) / stride) + 1;
      return { ...input, name, sidePx };
    },

    dense: (input, { name, inputs, outputs }) => {
      const limit = heLimit(inputs, Math.SQRT1_2);
      const matrix = weights(`${name}/weights`, [outputs, inputs], { kind: "uniform", limit });
      const bias = constant(`${name}/biases`, outputs, 0);
      return graph.op("Gemm", [input, matrix, bias], { transB: 1 });
    },
  };
}
