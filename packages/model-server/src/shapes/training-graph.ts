import { createGraphBuilder, type GraphBuilder } from "../onnx/graph-builder.ts";
import { trainingSizePx } from "./draw-picture.ts";
import {
  type Block,
  type BlockNames,
  blockNames,
  blocks,
  classCount,
  featureCount,
  headNames,
  normalisationEpsilon,
  normalisedInput,
  type Parameters,
  paddingOf,
} from "./network.ts";

/** Name of the output that holds the gradient of a parameter. */
export const gradientOf = (parameter: string): string => `gradient_${parameter}`;

/** What the backward pass needs of a block's forward pass. */
export interface Trace {
  readonly block: Block;
  readonly names: BlockNames;
  readonly input: string;
  readonly inputSize: number;
  readonly convolvedSize: number;
  readonly normalised: string;
  readonly inverseDeviation: string;
  readonly activated: string;
  /** Positions of the maxima, where the block is pooled. */
  readonly maxima: string | undefined;
}

const batchAndPlane = [0, 2, 3] as const;

/**
 * One step of training as a graph: forward, loss, and the gradient of every parameter, which are inputs.
 *
 * Inputs: `pictures` uint8 `[batch, size, size, 3]`, `targets` `[batch, classes]` (rows sum to 1), parameters.
 * Outputs: `loss`, `probabilities`, `gradient_*`, and per block the batch's mean and variance.
 */
export function trainingGraph(
  batchSize: number,
  parameters: Parameters,
  sizePx: number = trainingSizePx,
): Uint8Array {
  const graph = createGraphBuilder("shapes-training");
  graph.input("pictures", [batchSize, sizePx, sizePx, 3], "uint8");
  graph.input("targets", [batchSize, classCount]);
  for (const [name, { shape }] of parameters) graph.input(name, shape);

  const traces: Trace[] = [];
  let value = normalisedInput(graph, graph.op("Cast", ["pictures"], { to: 1 }), 1);
  let size = sizePx;
  blocks.forEach((block, index) => {
    const forward = forwardBlock(graph, { block, names: blockNames(index), input: value, size });
    traces.push(forward.trace);
    value = forward.output;
    size = forward.outputSize;
  });

  let gradient = headAndLoss(graph, { input: value, size, batchSize });
  for (const [index, trace] of [...traces.entries()].toReversed()) {
    const convolved = backwardToConvolution(graph, trace, { gradient, batchSize });
    weightGradient(graph, trace, { gradient: convolved, batchSize });
    if (index > 0) {
      gradient = graph.op(
        "ConvTranspose",
        [convolved, trace.names.weights],
        convolution(trace.block),
      );
    }
  }
  for (const [name, { shape }] of parameters) graph.output(gradientOf(name), shape);
  return graph.finish();
}

interface ConvolutionAttributes {
  readonly kernel_shape: readonly number[];
  readonly strides: readonly number[];
  readonly pads: readonly number[];
  readonly [name: string]: readonly number[];
}

/** Attributes of a block's convolution. */
export function convolution(block: Block): ConvolutionAttributes {
  const padding = paddingOf(block);
  return {
    kernel_shape: [block.kernelPx, block.kernelPx],
    strides: [block.stride, block.stride],
    pads: [padding, padding, padding, padding],
  };
}

interface ForwardOptions {
  readonly block: Block;
  readonly names: BlockNames;
  readonly input: string;
  readonly size: number;
}

interface Forward {
  readonly output: string;
  readonly outputSize: number;
  readonly trace: Trace;
}

/** A block as it is trained: its batch's own mean and variance normalise it, and are outputs of the graph. */
export function forwardBlock(
  graph: GraphBuilder,
  { block, names, input, size }: ForwardOptions,
): Forward {
  const padding = paddingOf(block);
  const convolvedSize = Math.floor((size + 2 * padding - block.kernelPx) / block.stride) + 1;
  const convolved = graph.op("Conv", [input, names.weights], convolution(block));

  const axes = graph.integers(batchAndPlane);
  const mean = graph.op("ReduceMean", [convolved, axes], { keepdims: 1 }, names.mean);
  const centred = graph.op("Sub", [convolved, mean]);
  const squares = graph.op("Mul", [centred, centred]);
  const variance = graph.op("ReduceMean", [squares, axes], { keepdims: 1 }, names.variance);
  graph.output(mean, [1, block.outputChannels, 1, 1]);
  graph.output(variance, [1, block.outputChannels, 1, 1]);

  const padded = graph.op("Add", [variance, graph.scalar(normalisationEpsilon)]);
  const inverseDeviation = graph.op("Reciprocal", [graph.op("Sqrt", [padded])]);
  const normalised = graph.op("Mul", [centred, inverseDeviation]);
  const scaled = graph.op("Mul", [normalised, perChannel(graph, names.gain)]);
  const shifted = graph.op("Add", [scaled, perChannel(graph, names.bias)]);
  const activated = graph.op("Relu", [shifted]);

  const trace = {
    block,
    names,
    input,
    inputSize: size,
    convolvedSize,
    normalised,
    inverseDeviation,
  };
  if (!block.isPooled) {
    const whole: Trace = { ...trace, activated, maxima: undefined };
    return { output: activated, outputSize: convolvedSize, trace: whole };
  }
  const output = `${names.weights}_pooled`;
  const maxima = `${names.weights}_maxima`;
  graph.opWithOutputs("MaxPool", [activated], poolWindow, [output, maxima]);
  const pooled: Trace = { ...trace, activated, maxima };
  return { output, outputSize: Math.floor(convolvedSize / 2), trace: pooled };
}

const poolWindow = { kernel_shape: [2, 2], strides: [2, 2] };

/** A parameter per channel, in a shape that spreads over `[N, C, H, W]`. */
function perChannel(graph: GraphBuilder, parameter: string): string {
  return graph.op("Reshape", [parameter, graph.integers([1, -1, 1, 1])]);
}

interface HeadOptions {
  readonly input: string;
  readonly size: number;
  readonly batchSize: number;
}

/** @returns the gradient of the loss by the last block's output */
function headAndLoss(graph: GraphBuilder, { input, size, batchSize }: HeadOptions): string {
  const features = graph.op("ReduceMean", [input, graph.integers([2, 3])], { keepdims: 0 });
  const head = [features, headNames.weights, headNames.bias];
  const logits = graph.op("Gemm", head, { transB: 1 });
  const probabilities = graph.op("Softmax", [logits], { axis: -1 }, "probabilities");
  const logProbabilities = graph.op("LogSoftmax", [logits], { axis: -1 });
  const hits = graph.op("Mul", [logProbabilities, "targets"]);
  const perPicture = graph.op("ReduceSum", [hits, graph.integers([1])], { keepdims: 0 });
  const mean = graph.op("ReduceMean", [perPicture, graph.integers([0])], { keepdims: 0 });
  graph.op("Neg", [mean], {}, "loss");
  graph.output("loss", []);
  graph.output("probabilities", [batchSize, classCount]);

  const misses = graph.op("Sub", [probabilities, "targets"]);
  const byLogits = graph.op("Mul", [misses, graph.scalar(1 / batchSize)]);
  graph.op("Gemm", [byLogits, features], { transA: 1 }, gradientOf(headNames.weights));
  const batchAxis = graph.integers([0]);
  graph.op("ReduceSum", [byLogits, batchAxis], { keepdims: 0 }, gradientOf(headNames.bias));
  const byFeatures = graph.op("MatMul", [byLogits, headNames.weights]);
  const share = graph.op("Mul", [byFeatures, graph.scalar(1 / (size * size))]);
  const pixel = graph.op("Reshape", [share, graph.integers([batchSize, featureCount, 1, 1])]);
  return graph.op("Expand", [pixel, graph.integers([batchSize, featureCount, size, size])]);
}

interface BackwardOptions {
  /** By the block's output; in `weightGradient`, by its convolution's. */
  readonly gradient: string;
  readonly batchSize: number;
}

/**
 * Back through pooling, ReLU and batch normalisation.
 *
 * @see Ioffe and Szegedy 2015, section 3, for the gradient of the normalisation
 */
export function backwardToConvolution(
  graph: GraphBuilder,
  trace: Trace,
  { gradient, batchSize }: BackwardOptions,
): string {
  const { block, names, normalised, activated, maxima, convolvedSize } = trace;
  const full = [batchSize, block.outputChannels, convolvedSize, convolvedSize];
  const unpooled =
    maxima === undefined
      ? gradient
      : graph.op("MaxUnpool", [gradient, maxima, graph.integers(full)], poolWindow);
  const isOn = graph.op("Greater", [activated, graph.scalar(0)]);
  const byShifted = graph.op("Mul", [unpooled, graph.op("Cast", [isOn], { to: 1 })]);

  const axes = graph.integers(batchAndPlane);
  graph.op("ReduceSum", [byShifted, axes], { keepdims: 0 }, gradientOf(names.bias));
  const byNormalised = graph.op("Mul", [byShifted, normalised]);
  graph.op("ReduceSum", [byNormalised, axes], { keepdims: 0 }, gradientOf(names.gain));

  const mean = graph.op("ReduceMean", [byShifted, axes], { keepdims: 1 });
  const correlation = graph.op("ReduceMean", [byNormalised, axes], { keepdims: 1 });
  const explained = graph.op("Mul", [normalised, correlation]);
  const left = graph.op("Sub", [graph.op("Sub", [byShifted, mean]), explained]);
  const factor = graph.op("Mul", [trace.inverseDeviation, perChannel(graph, names.gain)]);
  return graph.op("Mul", [left, factor]);
}

/** The gradient of a convolution's weights, as a product with the patches that each output saw. */
export function weightGradient(
  graph: GraphBuilder,
  { block, names, input, convolvedSize }: Trace,
  { gradient, batchSize }: BackwardOptions,
): void {
  const { inputChannels, outputChannels, kernelPx, stride } = block;
  const padding = paddingOf(block);
  const pads = [0, 0, padding, padding, 0, 0, padding, padding];
  const padded = graph.op("Pad", [input, graph.integers(pads)]);
  const reach = stride * (convolvedSize - 1) + 1;
  const offsets = Array.from({ length: kernelPx }, (_, offset) => offset);
  const shifts = offsets.flatMap((y) =>
    offsets.map((x) =>
      graph.op("Slice", [
        padded,
        graph.integers([y, x]),
        graph.integers([y + reach, x + reach]),
        graph.integers([2, 3]),
        graph.integers([stride, stride]),
      ]),
    ),
  );
  const patchValues = kernelPx * kernelPx * inputChannels;
  const positions = convolvedSize * convolvedSize;
  const stacked = graph.op("Concat", shifts, { axis: 1 });
  const rows = graph.op("Reshape", [stacked, graph.integers([batchSize, patchValues, positions])]);
  const patches = graph.op("Transpose", [rows], { perm: [0, 2, 1] });
  const flat = graph.op("Reshape", [
    gradient,
    graph.integers([batchSize, outputChannels, positions]),
  ]);
  const perPicture = graph.op("MatMul", [flat, patches]);
  const summed = graph.op("ReduceSum", [perPicture, graph.integers([0])], { keepdims: 0 });
  const square = graph.integers([outputChannels, kernelPx, kernelPx, inputChannels]);
  const last = graph.op("Reshape", [summed, square]);
  graph.op("Transpose", [last], { perm: [0, 3, 1, 2] }, gradientOf(names.weights));
}
