import { seededRandom } from "@tensorgate/core";
import type { GraphBuilder } from "../onnx/graph-builder.ts";
import { shapeClasses } from "./shape-classes.ts";

/** A convolution with batch normalisation and ReLU, and maximum pooling of 2×2 after it where it says so. */
export interface Block {
  readonly inputChannels: number;
  readonly outputChannels: number;
  readonly kernelPx: number;
  readonly stride: number;
  readonly isPooled: boolean;
}

/** Four blocks, then the mean over the picture, then one fully connected layer: 57 thousand parameters. */
export const blocks: readonly Block[] = [
  { inputChannels: 3, outputChannels: 12, kernelPx: 5, stride: 2, isPooled: false },
  { inputChannels: 12, outputChannels: 24, kernelPx: 3, stride: 1, isPooled: true },
  { inputChannels: 24, outputChannels: 48, kernelPx: 3, stride: 1, isPooled: true },
  { inputChannels: 48, outputChannels: 96, kernelPx: 3, stride: 1, isPooled: false },
];

export const featureCount = 96;
export const classCount: number = shapeClasses.length;

/** Added to variances, so that a flat channel does not divide by zero. */
export const normalisationEpsilon = 1e-3;

/** A trained tensor, or one of its statistics. */
export interface Parameter {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

export type Parameters = ReadonlyMap<string, Parameter>;

export interface BlockNames {
  readonly weights: string;
  readonly bias: string;
  readonly gain: string;
  readonly mean: string;
  readonly variance: string;
}

/** Names of a block's parameters, and of the statistics that its normalisation keeps. */
export const blockNames = (index: number): BlockNames => ({
  weights: `weights${index}`,
  bias: `bias${index}`,
  gain: `gain${index}`,
  mean: `mean${index}`,
  variance: `variance${index}`,
});

export const headNames = { weights: "head_weights", bias: "head_bias" } as const;

/** Padding that keeps the size at a stride of 1. */
export function paddingOf({ kernelPx }: Block): number {
  return (kernelPx - 1) / 2;
}

/** Parameters that training starts from. */
export function initialParameters(seed: number): Map<string, Parameter> {
  const parameters = blockParameters(seed, blocks);
  const headLimit = Math.sqrt(3 / featureCount);
  parameters.set(
    headNames.weights,
    uniform([classCount, featureCount], headLimit, seed * 1_000 + 99),
  );
  parameters.set(headNames.bias, filled(classCount, 0));
  return parameters;
}

/** Values between `-limit` and `limit`, from their own draws. */
function uniform(shape: readonly number[], limit: number, seed: number): Parameter {
  const random = seededRandom(seed);
  const size = shape.reduce((product, extent) => product * extent, 1);
  return {
    shape,
    values: Float32Array.from({ length: size }, () => random.between(-limit, limit)),
  };
}

function filled(count: number, value: number): Parameter {
  return { shape: [count], values: new Float32Array(count).fill(value) };
}

/** What the blocks of any such network start from: He-uniform weights, each tensor from its own draws. */
export function blockParameters(seed: number, blocks: readonly Block[]): Map<string, Parameter> {
  const parameters = new Map<string, Parameter>();
  blocks.forEach(({ inputChannels, outputChannels, kernelPx }, index) => {
    const names = blockNames(index);
    const shape = [outputChannels, inputChannels, kernelPx, kernelPx];
    const fanIn = inputChannels * kernelPx * kernelPx;
    parameters.set(names.weights, uniform(shape, Math.sqrt(6 / fanIn), seed * 1_000 + index));
    parameters.set(names.bias, filled(outputChannels, 0));
    parameters.set(names.gain, filled(outputChannels, 1));
  });
  return parameters;
}

/**
 * Brings every picture to mean 0 and deviation 1 in each channel, whatever its light and colours.
 *
 * @param pictures - name of a float tensor `[N, H, W, 3]`
 * @returns name of a float tensor `[N, 3, H, W]`, reduced by `shrinkBy` along both sides
 */
export function normalisedInput(graph: GraphBuilder, pictures: string, shrinkBy: number): string {
  const planes = graph.op("Transpose", [pictures], { perm: [0, 3, 1, 2] });
  const shrunk =
    shrinkBy === 1
      ? planes
      : graph.op("AveragePool", [planes], {
          kernel_shape: [shrinkBy, shrinkBy],
          strides: [shrinkBy, shrinkBy],
        });
  const one = graph.floats("ones3", [3], Float32Array.of(1, 1, 1));
  const zero = graph.floats("zeros3", [3], new Float32Array(3));
  return graph.op("InstanceNormalization", [shrunk, one, zero], { epsilon: { float: 4 } });
}
