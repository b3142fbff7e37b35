import {
  createGraphBuilder,
  type GraphBuilder,
} from "../../packages/model-server/src/onnx/graph-builder.ts";
import { constant, elementNumbers, floatType, planes, redEdges, rows } from "./red-edges.ts";

// Detectors of red things on any other ground, exported in the forms that detectors have. What they find is exact: the
// edges of all that is red, by the largest and the smallest row and column.

function typed(graph: GraphBuilder, value: string, name: string, to: number) {
  graph.op("Cast", [value], { to }, name);
}

interface YoloModelOptions {
  readonly classCount?: number;
  readonly type?: "float" | "float16";
  readonly size?: number;
  /** Whether it takes channels last and gives boxes in fractions, as exports to TensorFlow do. */
  readonly isTensorFlow?: boolean;
}

/**
 * A YOLO of 640 × 640: `[1, 4 + classes, 8400]` (v8), or `[1, 25200, 5 + classes]` (v5). What is red is of class 2 with a
 * score of 0.9, and once more, a bit beside it, with 0.8. The box of the last cell is there whatever is seen, with scores
 * of zero as all the others, which are zeros. An RT-DETR has the same values in `[1, 300, 4 + classes]`, in fractions,
 * and finds each thing once.
 */
export function yoloModel(
  form: "v8" | "v5" | "rt-detr",
  { classCount = 80, type = "float", size = 640, isTensorFlow = false }: YoloModelOptions = {},
): Uint8Array {
  const graph = createGraphBuilder("yolo");
  graph.input("images", isTensorFlow ? [1, size, size, 3] : [1, 3, size, size], type);
  const pixels = graph.op("Cast", ["images"], { to: floatType });
  const axes = isTensorFlow ? rows : planes;
  const { left, top, right, bottom, isThere } = redEdges(graph, pixels, axes, 0.5);
  const unit = isTensorFlow || form === "rt-detr" ? 1 / size : 1;
  const scaled = (value: string, factor: number) =>
    graph.op("Mul", [graph.op("Mul", [value, isThere]), graph.scalar(factor)]);
  const middle = (from: string, to: string) => scaled(graph.op("Add", [from, to]), unit / 2);
  const length = (from: string, to: string) => scaled(graph.op("Sub", [to, from]), unit);
  const objectness = form === "v5" ? [isThere] : [];
  const values = 4 + objectness.length + classCount;
  const scores = Array.from({ length: classCount }, (_, index) => (index === 2 ? 0.9 : 0.01));
  const found = graph.op(
    "Concat",
    [
      ...[middle(left, right), middle(top, bottom), length(left, right), length(top, bottom)],
      ...objectness,
      graph.op("Mul", [constant(graph, [classCount], scores), isThere]),
    ],
    { axis: 0 },
  );
  const shift = Array.from({ length: values }, (_, index) => {
    if (index === 0) return 6 * unit;
    return index === 4 + objectness.length + 2 ? -0.1 : 0;
  });
  const beside = graph.op("Add", [found, constant(graph, [values], shift)]);
  const corner = [size - 4, size - 4, 8, 8].map((value) => value * unit);
  const last = constant(graph, [values], [...corner, ...new Array<number>(values - 4).fill(0)]);
  const all = form === "rt-detr" ? [found, last] : [found, beside, last];
  const boxCount = form === "rt-detr" ? 300 : (size * size * (form === "v8" ? 21 : 63)) / 1_024;
  const first = graph.op("Reshape", [
    graph.op("Concat", all, { axis: 0 }),
    graph.integers([1, all.length, values]),
  ]);
  const padded = graph.op("Pad", [first, graph.integers([0, 0, 0, 0, boxCount - all.length, 0])]);
  const turned = form === "v8" ? graph.op("Transpose", [padded], { perm: [0, 2, 1] }) : padded;
  typed(graph, turned, "output0", elementNumbers[type]);
  const shape = form === "v8" ? [1, values, boxCount] : [1, boxCount, values];
  graph.output("output0", shape, type);
  return graph.finish();
}

/** A YOLO v7 with NMS in the graph: `[boxes, 7]` of picture, left, top, right, bottom, class and score. */
export function numberedRowsModel(): Uint8Array {
  const graph = createGraphBuilder("numbered-rows");
  graph.input("images", [1, 3, 640, 640]);
  const { left, top, right, bottom, isThere } = redEdges(graph, "images", planes, 0.5);
  const score = graph.op("Mul", [isThere, graph.scalar(0.7)]);
  const zero = constant(graph, [1], [0]);
  const values = [zero, left, top, right, bottom, constant(graph, [1], [2]), score];
  const row = graph.op("Concat", values, { axis: 0 });
  graph.op("Reshape", [row, graph.integers([1, 7])], {}, "output");
  graph.output("output", ["boxes", 7]);
  return graph.finish();
}

/**
 * A model as torchvision exports it: one picture of any size without a batch axis, and boxes without one.
 *
 * @param names - of its outputs, which the exporter numbers if it is given none
 */
export function torchvisionModel(
  names: readonly [boxes: string, labels: string, scores: string] = ["boxes", "labels", "scores"],
): Uint8Array {
  const [boxes, labels, scores] = names;
  const graph = createGraphBuilder("torchvision");
  graph.input("image", [3, "height", "width"]);
  const axes = { channel: 0, row: 1, column: 2 };
  const { left, top, right, bottom, isThere } = redEdges(graph, "image", axes, 0.5);
  const box = graph.op("Concat", [left, top, right, bottom], { axis: 0 });
  graph.op("Reshape", [box, graph.integers([1, 4])], {}, boxes);
  const label = graph.op("Mul", [isThere, graph.scalar(17)]);
  typed(graph, label, labels, elementNumbers.int64);
  graph.op("Mul", [isThere, graph.scalar(0.75)], {}, scores);
  graph.output(boxes, ["boxes", 4]);
  graph.output(labels, ["boxes"], "int64");
  graph.output(scores, ["boxes"]);
  return graph.finish();
}

/**
 * A model as TensorFlow's object detection API exports it: bytes of any size, fractions, two rows of which one counts.
 *
 * @param end - of the names of its outputs: converters leave `:0`
 */
export function objectDetectionModel(end: "" | ":0" = ""): Uint8Array {
  const graph = createGraphBuilder("object-detection");
  graph.input("input_tensor", [1, "height", "width", 3], "uint8");
  const pixels = graph.op("Cast", ["input_tensor"], { to: floatType });
  const red = redEdges(graph, pixels, rows, 127);
  const share = (edge: string, side: string) => graph.op("Div", [edge, side]);
  const box = graph.op(
    "Concat",
    [
      ...[share(red.top, red.height), share(red.left, red.width)],
      ...[share(red.bottom, red.height), share(red.right, red.width)],
      constant(graph, [4], [0, 0, 0, 0]),
    ],
    { axis: 0 },
  );
  graph.op("Reshape", [box, graph.integers([1, 2, 4])], {}, `detection_boxes${end}`);
  const pair = (values: readonly number[], name: string) =>
    graph.op("Mul", [constant(graph, [1, 2], values), red.isThere], {}, name);
  pair([0.6, 0], `detection_scores${end}`);
  pair([18, 1], `detection_classes${end}`);
  graph.op("Identity", [red.isThere], {}, `num_detections${end}`);
  graph.output(`detection_boxes${end}`, [1, 2, 4]);
  graph.output(`detection_scores${end}`, [1, 2]);
  graph.output(`detection_classes${end}`, [1, 2]);
  graph.output(`num_detections${end}`, [1]);
  return graph.finish();
}
