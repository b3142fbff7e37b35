import { createGraphBuilder, type GraphBuilder } from "../onnx/graph-builder.ts";
import { trainingSizePx } from "./draw-picture.ts";
import {
  type Block,
  blockNames,
  blocks,
  classCount,
  featureCount,
  headNames,
  normalisationEpsilon,
  normalisedInput,
  type Parameter,
  type Parameters,
  paddingOf,
} from "./network.ts";
import { shapeClasses } from "./shape-classes.ts";

/** Side of the picture that the served model takes, in pixels. */
export const servingSizePx = 224;

/**
 * The trained model as it is served: `images` `[N, sizePx, sizePx, 3]`, 0..255, to `features` `[N, 96]` and
 * `scores` `[N, 16]`. Each normalisation is folded into the convolution before it.
 *
 * @param parameters - trained ones, with the running mean and variance of each block
 */
export function servingGraph(parameters: Parameters, sizePx: number = servingSizePx): Uint8Array {
  const graph = createGraphBuilder("shapes");
  graph.input("images", ["N", sizePx, sizePx, 3]);
  let value = normalisedInput(graph, "images", sizePx / trainingSizePx);

  for (const index of blocks.keys()) {
    value = servedBlock(graph, { blocks, index, input: value, parameters });
  }

  const mean = graph.op("GlobalAveragePool", [value]);
  const features = graph.op("Flatten", [mean], { axis: 1 }, "features");
  const weights = parameterOf(parameters, headNames.weights);
  const bias = parameterOf(parameters, headNames.bias);
  const logits = graph.op(
    "Gemm",
    [
      features,
      graph.floats(headNames.weights, weights.shape, weights.values),
      graph.floats(headNames.bias, bias.shape, bias.values),
    ],
    { transB: 1 },
  );
  graph.op("Softmax", [logits], { axis: -1 }, "scores");
  graph.output("features", ["N", featureCount]);
  graph.output("scores", ["N", classCount]);
  return graph.finish({ labels: shapeClasses.join(",") });
}

interface ServedBlock {
  readonly blocks: readonly Block[];
  readonly index: number;
  readonly input: string;
  readonly parameters: Parameters;
}

/** A block as it is served: its normalisation is folded into the convolution. @returns its output */
export function servedBlock(
  graph: GraphBuilder,
  { blocks, index, input, parameters }: ServedBlock,
): string {
  const block = blocks[index];
  if (!block) throw new RangeError(`there is no block ${index}`);
  const names = blockNames(index);
  const { weights, bias } = foldedBlock(parameters, index);
  const padding = paddingOf(block);
  const convolved = graph.op(
    "Conv",
    [
      input,
      graph.floats(names.weights, weights.shape, weights.values),
      graph.floats(names.bias, bias.shape, bias.values),
    ],
    {
      kernel_shape: [block.kernelPx, block.kernelPx],
      strides: [block.stride, block.stride],
      pads: [padding, padding, padding, padding],
    },
  );
  const activated = graph.op("Relu", [convolved]);
  if (!block.isPooled) return activated;
  return graph.op("MaxPool", [activated], { kernel_shape: [2, 2], strides: [2, 2] });
}

interface FoldedBlock {
  readonly weights: Parameter;
  readonly bias: Parameter;
}

/** `gain × (x − mean) / deviation + bias` is a convolution again. */
function foldedBlock(parameters: Parameters, index: number): FoldedBlock {
  const names = blockNames(index);
  const weights = parameterOf(parameters, names.weights);
  const bias = parameterOf(parameters, names.bias);
  const gain = parameterOf(parameters, names.gain).values;
  const mean = parameterOf(parameters, names.mean).values;
  const variance = parameterOf(parameters, names.variance).values;
  const perChannel = weights.values.length / gain.length;
  const factor = gain.map(
    (each, channel) => each / Math.sqrt((variance[channel] ?? 0) + normalisationEpsilon),
  );
  return {
    weights: {
      shape: weights.shape,
      values: weights.values.map((each, at) => each * (factor[Math.floor(at / perChannel)] ?? 0)),
    },
    bias: {
      shape: bias.shape,
      values: bias.values.map(
        (each, channel) => each - (factor[channel] ?? 0) * (mean[channel] ?? 0),
      ),
    },
  };
}

export function parameterOf(parameters: Parameters, name: string): Parameter {
  const parameter = parameters.get(name);
  if (!parameter) throw new RangeError(`there is no parameter ${name}`);
  return parameter;
}
