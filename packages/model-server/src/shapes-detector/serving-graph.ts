import { createGraphBuilder, type GraphBuilder } from "../onnx/graph-builder.ts";
import { normalisedInput, type Parameters } from "../shapes/network.ts";
import { parameterOf, servedBlock } from "../shapes/serving-graph.ts";
import { anchorsPerCell, type DetectingLayer, detectingLayers } from "./anchors.ts";
import {
  detectorBlocks,
  detectorClassCount,
  headBlocks,
  headDepth,
  headNames,
  sceneSizePx,
} from "./network.ts";

/** Side of the picture that the served model takes, in pixels. */
const servingSizePx = 300;

/** Classes that SSD's head has. */
const ssdClassCount = 21;

/** Logit of a class that there is not. */
const never = -20;

/** Cells and anchors of SSD's six layers. */
const ssdLayers = [
  { cells: 37, anchors: 4 },
  { cells: 19, anchors: 6 },
  { cells: 10, anchors: 6 },
  { cells: 5, anchors: 6 },
  { cells: 3, anchors: 4 },
  { cells: 1, anchors: 4 },
] as const;

/**
 * The trained detector in the form of SSD's head: `images` `[N, 300, 300, 3]`, 0..255, to class logits `out_0` …
 * `out_5` `[N, cells, cells, anchors, 21]` and offsets `out_6` … `out_11` `[N, cells, cells, anchors, 4]`.
 */
export function detectorServingGraph(parameters: Parameters): Uint8Array {
  const graph = createGraphBuilder("shapes-detector");
  graph.input("images", ["N", servingSizePx, servingSizePx, 3]);
  let value = normalisedInput(graph, "images", servingSizePx / sceneSizePx);
  const seen: string[] = [];
  for (const index of detectorBlocks.keys()) {
    value = servedBlock(graph, { blocks: detectorBlocks, index, input: value, parameters });
    seen.push(value);
  }
  detectingLayers.forEach((layer, which) => {
    head(graph, { layer, input: seen[headBlocks[which] ?? 0] ?? "", parameters });
  });
  const detecting = new Set(detectingLayers.map(({ index }) => index));
  ssdLayers.forEach((layer, index) => {
    if (!detecting.has(index)) emptyLayer(graph, { ...layer, index });
  });
  ssdLayers.forEach(({ cells, anchors }, index) => {
    graph.output(`out_${index}`, ["N", cells, cells, anchors, ssdClassCount]);
  });
  ssdLayers.forEach(({ cells, anchors }, index) => {
    graph.output(`out_${index + ssdLayers.length}`, ["N", cells, cells, anchors, 4]);
  });
  return graph.finish();
}

interface Head {
  readonly layer: DetectingLayer;
  readonly input: string;
  readonly parameters: Parameters;
}

/** The trained rows are for logits and offsets of each anchor; SSD has them in two tensors. */
function head(graph: GraphBuilder, { layer, input, parameters }: Head): void {
  const names = headNames(layer);
  const weights = parameterOf(parameters, names.weights);
  const bias = parameterOf(parameters, names.bias).values;
  const inputs = weights.shape[1] ?? 0;
  const anchors = anchorsPerCell(layer);
  const rowsOf = (from: number, count: number, depth: number) => {
    const kernel = new Float32Array(anchors * depth * inputs);
    const offsets = new Float32Array(anchors * depth).fill(never);
    for (let anchor = 0; anchor < anchors; anchor += 1) {
      for (let row = 0; row < count; row += 1) {
        const source = anchor * headDepth + from + row;
        const target = anchor * depth + row;
        kernel.set(
          weights.values.subarray(source * inputs, (source + 1) * inputs),
          target * inputs,
        );
        offsets[target] = bias[source] ?? 0;
      }
    }
    return { kernel, offsets };
  };
  const made = [
    { index: layer.index, depth: ssdClassCount, ...rowsOf(0, detectorClassCount, ssdClassCount) },
    { index: layer.index + ssdLayers.length, depth: 4, ...rowsOf(detectorClassCount, 4, 4) },
  ];
  for (const { index, depth, kernel, offsets } of made) {
    const outputs = anchors * depth;
    const convolved = graph.op(
      "Conv",
      [
        input,
        graph.floats(`head${index}_weights`, [outputs, inputs, 1, 1], kernel),
        graph.floats(`head${index}_bias`, [outputs], offsets),
      ],
      { kernel_shape: [1, 1] },
    );
    const cells = graph.op("Transpose", [convolved], { perm: [0, 2, 3, 1] });
    const shape = graph.integers([0, layer.cells, layer.cells, anchors, depth]);
    graph.op("Reshape", [cells, shape], {}, `out_${index}`);
  }
}

interface EmptyLayer {
  readonly index: number;
  readonly cells: number;
  readonly anchors: number;
}

/** Nothing but background, for each picture of the batch. */
function emptyLayer(graph: GraphBuilder, { index, cells, anchors }: EmptyLayer): void {
  const batch = graph.op("Slice", [
    graph.op("Shape", ["images"]),
    graph.integers([0]),
    graph.integers([1]),
  ]);
  const logits = new Float32Array(ssdClassCount).fill(never);
  logits[0] = -never;
  const spread = (values: Float32Array, name: string) => {
    const constant = graph.floats(`nothing_${values.length}`, [values.length], values);
    const rest = graph.integers([cells, cells, anchors, values.length]);
    const shape = graph.op("Concat", [batch, rest], { axis: 0 });
    graph.op("Expand", [constant, shape], {}, name);
  };
  spread(logits, `out_${index}`);
  spread(new Float32Array(4), `out_${index + ssdLayers.length}`);
}
