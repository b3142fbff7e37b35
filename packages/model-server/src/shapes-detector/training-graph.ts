import { createGraphBuilder, type GraphBuilder } from "../onnx/graph-builder.ts";
import { blockNames, normalisedInput, type Parameters } from "../shapes/network.ts";
import {
  backwardToConvolution,
  convolution,
  forwardBlock,
  gradientOf,
  type Trace,
  weightGradient,
} from "../shapes/training-graph.ts";
import { allAnchors, anchorsPerCell, detectingLayers, placesOf } from "./anchors.ts";
import {
  detectorBlocks,
  detectorClassCount,
  headBlocks,
  headDepth,
  headNames,
  sceneSizePx,
} from "./network.ts";

/**
 * One step of training as a graph: forward, loss, and the gradient of every parameter, which are inputs.
 *
 * Inputs: `pictures` uint8 `[batch, size, size, 3]`, the targets of `batchTargets`, `per_object` (1 / objects).
 * Outputs: `class_loss`, `box_loss`, `gradient_*`, and per block the batch's mean and variance.
 */
export function detectorTrainingGraph(batchSize: number, parameters: Parameters): Uint8Array {
  const graph = createGraphBuilder("shapes-detector-training");
  graph.input("pictures", [batchSize, sceneSizePx, sceneSizePx, 3], "uint8");
  for (const [name, depth] of Object.entries(targetDepths)) {
    graph.input(name, [batchSize, allAnchors.length, depth]);
  }
  graph.input("per_object", []);
  for (const [name, { shape }] of parameters) graph.input(name, shape);

  const traces: Trace[] = [];
  const outputs: { readonly name: string; readonly size: number }[] = [];
  let value = normalisedInput(graph, graph.op("Cast", ["pictures"], { to: 1 }), 1);
  let size = sceneSizePx;
  detectorBlocks.forEach((block, index) => {
    const forward = forwardBlock(graph, { block, names: blockNames(index), input: value, size });
    traces.push(forward.trace);
    value = forward.output;
    size = forward.outputSize;
    outputs.push({ name: value, size });
  });

  const heads = headBlocks.map((at) => outputs[at]?.name ?? "");
  const byHead = lossGradients(graph, headRows(graph, { heads, batchSize }), batchSize);

  let gradient: string | undefined;
  for (const [index, trace] of [...traces.entries()].toReversed()) {
    const which = headBlocks.indexOf(index);
    const ofHead =
      which === -1 ? undefined : headGradient(graph, { which, heads, byHead, batchSize });
    const total = gradient && ofHead ? graph.op("Add", [gradient, ofHead]) : (gradient ?? ofHead);
    if (total === undefined) throw new RangeError("the last block has no head");
    const convolved = backwardToConvolution(graph, trace, { gradient: total, batchSize });
    weightGradient(graph, trace, { gradient: convolved, batchSize });
    if (index > 0) gradient = inputGradient(graph, trace, convolved);
  }
  for (const [name, { shape }] of parameters) graph.output(gradientOf(name), shape);
  return graph.finish();
}

/** Inputs of the graph that are targets, and the numbers they have for each anchor. */
export const targetDepths: Readonly<Record<TargetName, number>> = {
  target_classes: detectorClassCount,
  target_weights: 1,
  target_offsets: 4,
  target_is_object: 1,
};

export type TargetName =
  | "target_classes"
  | "target_weights"
  | "target_offsets"
  | "target_is_object";

/** A convolution with a stride leaves out what does not fill a whole step. */
function inputGradient(graph: GraphBuilder, trace: Trace, convolved: string): string {
  const attributes = convolution(trace.block);
  const { kernelPx, stride } = trace.block;
  const padding = attributes.pads[0] ?? 0;
  const covered = (trace.convolvedSize - 1) * stride + kernelPx - 2 * padding;
  const rest = trace.inputSize - covered;
  return graph.op("ConvTranspose", [convolved, trace.names.weights], {
    ...attributes,
    output_padding: [rest, rest],
  });
}

interface HeadOptions {
  /** What each head looks at. */
  readonly heads: readonly string[];
  readonly batchSize: number;
}

/** @returns `[batch, anchors, headDepth]` */
function headRows(graph: GraphBuilder, { heads, batchSize }: HeadOptions): string {
  const rows = detectingLayers.map((layer, which) => {
    const { weights, bias } = headNames(layer);
    const made = graph.op("Conv", [heads[which] ?? "", weights, bias], { kernel_shape: [1, 1] });
    const cells = graph.op("Transpose", [made], { perm: [0, 2, 3, 1] });
    return graph.op("Reshape", [cells, graph.integers([batchSize, placesOf(layer), headDepth])]);
  });
  return graph.op("Concat", rows, { axis: 1 });
}

/** @returns the gradient of the loss by each head's rows, `[batch, places, headDepth]` */
function lossGradients(graph: GraphBuilder, rows: string, batchSize: number): readonly string[] {
  const lastAxis = graph.integers([2]);
  const part = (from: number, to: number) =>
    graph.op("Slice", [rows, graph.integers([from]), graph.integers([to]), lastAxis]);
  const logits = part(0, detectorClassCount);
  const offsets = part(detectorClassCount, headDepth);

  const probabilities = graph.op("Softmax", [logits], { axis: -1 });
  const hits = graph.op("Mul", [probabilities, "target_classes"]);
  const right = graph.op("ReduceSum", [hits, lastAxis], { keepdims: 1 });
  // What is right already counts for little, so that a few objects are heard among thousands of empty anchors. The
  // factor is taken for a constant: Lin et al. 2017 derive it, here it only chooses what to learn from.
  const wrong = graph.op("Sub", [graph.scalar(1), right]);
  const focus = graph.op("Mul", [graph.op("Mul", [wrong, wrong]), "target_weights"]);
  const share = graph.op("Mul", [focus, "per_object"]);
  const misses = graph.op("Sub", [probabilities, "target_classes"]);
  const byLogits = graph.op("Mul", [misses, share]);

  const difference = graph.op("Mul", [
    graph.op("Sub", [offsets, "target_offsets"]),
    "target_is_object",
  ]);
  const clipped = graph.op("Clip", [difference, graph.scalar(-1), graph.scalar(1)]);
  const perBox = graph.op("Mul", [clipped, "per_object"]);
  const byOffsets = graph.op("Mul", [perBox, graph.scalar(boxWeight)]);

  showLoss(
    graph,
    "class_loss",
    graph.op("Mul", [
      graph.op("Neg", [graph.op("Log", [graph.op("Add", [right, graph.scalar(1e-7)])])]),
      share,
    ]),
  );
  showLoss(graph, "box_loss", graph.op("Mul", [graph.op("Abs", [difference]), "per_object"]));
  const whole = graph.op("Concat", [byLogits, byOffsets], { axis: 2 });
  let from = 0;
  return detectingLayers.map((layer) => {
    const to = from + placesOf(layer);
    const axis = graph.integers([1]);
    const slice = graph.op("Slice", [whole, graph.integers([from]), graph.integers([to]), axis]);
    from = to;
    const shape = [batchSize, layer.cells, layer.cells, anchorsPerCell(layer) * headDepth];
    const cells = graph.op("Reshape", [slice, graph.integers(shape)]);
    return graph.op("Transpose", [cells], { perm: [0, 3, 1, 2] });
  });
}

/** How much boxes count beside classes. */
const boxWeight = 0.5;

function showLoss(graph: GraphBuilder, name: string, perRow: string): void {
  graph.op("ReduceSum", [perRow, graph.integers([0, 1, 2])], { keepdims: 0 }, name);
  graph.output(name, []);
}

interface HeadGradientOptions extends HeadOptions {
  readonly which: number;
  /** By each head's output, `[batch, anchors × depth, cells, cells]`. */
  readonly byHead: readonly string[];
}

/** Makes the gradients of a head's parameters. @returns the gradient by what it looks at */
function headGradient(
  graph: GraphBuilder,
  { which, heads, byHead, batchSize }: HeadGradientOptions,
): string {
  const layer = detectingLayers[which];
  const input = heads[which];
  const gradient = byHead[which];
  if (!layer || !input || !gradient) throw new RangeError(`there is no head ${which}`);
  const { weights, bias } = headNames(layer);
  const channels = detectorBlocks[headBlocks[which] ?? 0]?.outputChannels ?? 0;
  const outputs = anchorsPerCell(layer) * headDepth;
  const positions = layer.cells ** 2;
  graph.op("ReduceSum", [gradient, graph.integers([0, 2, 3])], { keepdims: 0 }, gradientOf(bias));
  const flat = graph.op("Reshape", [gradient, graph.integers([batchSize, outputs, positions])]);
  const seen = graph.op("Reshape", [input, graph.integers([batchSize, channels, positions])]);
  const turned = graph.op("Transpose", [seen], { perm: [0, 2, 1] });
  const perPicture = graph.op("MatMul", [flat, turned]);
  const summed = graph.op("ReduceSum", [perPicture, graph.integers([0])], { keepdims: 0 });
  graph.op("Reshape", [summed, graph.integers([outputs, channels, 1, 1])], {}, gradientOf(weights));
  return graph.op("ConvTranspose", [gradient, weights], { kernel_shape: [1, 1] });
}
