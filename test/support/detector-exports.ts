import {
  createGraphBuilder,
  type GraphBuilder,
} from "../../packages/model-server/src/onnx/graph-builder.ts";
import { constant, elementNumbers, floatType, planes, redEdges, rows } from "./red-edges.ts";

// More forms of the detectors of red things, those whose graphs choose among their boxes or give logits.

/** Boxes that come out, of which the first is the one that was found. */
const boxCount = 100;

/** `[1, count, values]`: one row, and rows of `rest` after it. */
function padded(
  graph: GraphBuilder,
  row: readonly string[],
  { count = boxCount, rest = 0, name }: { count?: number; rest?: number; name: string },
): void {
  const values = row.length;
  const one = graph.op("Reshape", [
    graph.op("Concat", row, { axis: 0 }),
    graph.integers([1, 1, values]),
  ]);
  const pads = graph.integers([0, 0, 0, 0, count - 1, 0]);
  graph.op("Pad", [one, pads, graph.scalar(rest)], {}, name);
}

/** `[1, count]`, with the first value given. */
function paddedLine(graph: GraphBuilder, value: string, { name = "", rest = 0 } = {}): string {
  const one = graph.op("Reshape", [value, graph.integers([1, 1])]);
  const pads = graph.integers([0, 0, 0, boxCount - 1]);
  return graph.op("Pad", [one, pads, graph.scalar(rest)], {}, name === "" ? undefined : name);
}

/** A YOLO v10: `[1, 300, 6]` of corners, score and class. */
export function endToEndModel(): Uint8Array {
  const graph = createGraphBuilder("end-to-end");
  graph.input("images", [1, 3, 640, 640]);
  const { left, top, right, bottom, isThere } = redEdges(graph, "images", planes, 0.5);
  const score = graph.op("Mul", [isThere, graph.scalar(0.8)]);
  const row = [left, top, right, bottom, score, constant(graph, [1], [2])];
  padded(graph, row, { count: 300, name: "output0" });
  graph.output("output0", [1, 300, 6]);
  return graph.finish();
}

/** A RetinaNet of Keras with NMS in its graph: blue first, means subtracted, classes of -1 for what is not there. */
export function retinaNetModel(): Uint8Array {
  const graph = createGraphBuilder("retinanet");
  graph.input("input_1", [1, "height", "width", 3]);
  const { left, top, right, bottom, isThere } = redEdges(
    graph,
    "input_1",
    { ...rows, red: 2 },
    127,
  );
  padded(graph, [left, top, right, bottom], { name: "boxes", rest: -1 });
  paddedLine(graph, graph.op("Mul", [isThere, graph.scalar(0.7)]), { name: "scores", rest: -1 });
  const label = paddedLine(graph, graph.op("Mul", [isThere, graph.scalar(2)]), { rest: -1 });
  graph.op("Cast", [label], { to: elementNumbers.int32 }, "labels");
  graph.output("boxes", [1, boxCount, 4]);
  graph.output("scores", [1, boxCount]);
  graph.output("labels", [1, boxCount], "int32");
  return graph.finish();
}

/** An EfficientDet with NMS in its graph: `[1, 100, 7]` of picture, top, left, bottom, right, score, class from 1 on. */
export function efficientDetModel(): Uint8Array {
  const graph = createGraphBuilder("efficientdet");
  graph.input("image_arrays", [1, "height", "width", 3], "uint8");
  const pixels = graph.op("Cast", ["image_arrays"], { to: floatType });
  const { left, top, right, bottom, isThere } = redEdges(graph, pixels, rows, 127);
  const score = graph.op("Mul", [isThere, graph.scalar(0.65)]);
  const row = [constant(graph, [1], [0]), top, left, bottom, right, score];
  padded(graph, [...row, constant(graph, [1], [3])], { name: "detections" });
  graph.output("detections", [1, boxCount, 7]);
  return graph.finish();
}

/** A YOLO whose boxes TensorRT's EfficientNMS has chosen: their number, and four outputs. */
export function efficientNmsModel(): Uint8Array {
  const graph = createGraphBuilder("efficient-nms");
  graph.input("images", [1, 3, 640, 640]);
  const { left, top, right, bottom, isThere } = redEdges(graph, "images", planes, 0.5);
  const count = graph.op("Reshape", [isThere, graph.integers([1, 1])]);
  graph.op("Cast", [count], { to: elementNumbers.int32 }, "num_dets");
  padded(graph, [left, top, right, bottom], { name: "det_boxes" });
  // Beyond the number of boxes there may be anything.
  paddedLine(graph, graph.op("Mul", [isThere, graph.scalar(0.85)]), {
    name: "det_scores",
    rest: 0.95,
  });
  const label = paddedLine(graph, constant(graph, [1], [2]));
  graph.op("Cast", [label], { to: elementNumbers.int32 }, "det_classes");
  graph.output("num_dets", [1, 1], "int32");
  graph.output("det_boxes", [1, boxCount, 4]);
  graph.output("det_scores", [1, boxCount]);
  graph.output("det_classes", [1, boxCount], "int32");
  return graph.finish();
}

/**
 * A DETR, whose last class is no object, or an RT-DETR, whose classes exclude nothing: boxes in fractions, and logits.
 *
 * @param form - DETR takes pictures of any size with ImageNet's mean and deviation, RT-DETR those of 640 × 640
 */
export function detrModel(form: "detr" | "rt-detr"): Uint8Array {
  const isDetr = form === "detr";
  const graph = createGraphBuilder(form);
  graph.input("pixel_values", isDetr ? [1, 3, "height", "width"] : [1, 3, 640, 640]);
  const red = redEdges(graph, "pixel_values", planes, isDetr ? 2 : 0.5);
  const half = graph.scalar(0.5);
  const share = (value: string, side: string) => graph.op("Div", [value, side]);
  const middle = (from: string, to: string, side: string) =>
    share(graph.op("Mul", [graph.op("Add", [from, to]), half]), side);
  const length = (from: string, to: string, side: string) =>
    share(graph.op("Sub", [to, from]), side);
  const { left, top, right, bottom, width, height, isThere } = red;
  const box = [
    ...[middle(left, right, width), middle(top, bottom, height)],
    ...[length(left, right, width), length(top, bottom, height)],
  ];
  const count = isDetr ? boxCount : 300;
  padded(graph, box, { count, name: "pred_boxes" });
  graph.output("pred_boxes", [1, count, 4]);
  const classes = isDetr ? 92 : 80;
  const wanted = isDetr ? 17 : 2;
  const at = (found: number, absent: number) =>
    graph.op("Add", [
      graph.op("Mul", [isThere, graph.scalar(found - absent)]),
      graph.scalar(absent),
    ]);
  const logits = Array.from({ length: classes }, (_, index) => {
    if (index === wanted) return at(4, -10);
    if (isDetr && index === classes - 1) return at(-10, 10);
    return constant(graph, [1], [-10]);
  });
  if (isDetr) {
    // What no query has found is no object.
    const first = graph.op("Reshape", [
      graph.op("Concat", logits, { axis: 0 }),
      graph.integers([1, 1, classes]),
    ]);
    const nothing = new Float32Array((count - 1) * classes).fill(-10);
    for (let row = 1; row < count; row += 1) nothing[row * classes - 1] = 10;
    const others = graph.floats("others", [1, count - 1, classes], nothing);
    graph.op("Concat", [first, others], { axis: 1 }, "logits");
  } else padded(graph, logits, { count, rest: -10, name: "logits" });
  graph.output("logits", [1, count, classes]);
  return graph.finish();
}
