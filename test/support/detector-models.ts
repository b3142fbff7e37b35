import {
  createGraphBuilder,
  type GraphBuilder,
} from "../../packages/model-server/src/onnx/graph-builder.ts";

// Detectors of red things on any other ground, exported in the forms that detectors have. What they find is exact: the
// edges of all that is red, by the largest and the smallest row and column.

/** Numbers of ONNX's element types. */
const elementNumbers = { float: 1, float16: 10, int64: 7 } as const;
const floatType = elementNumbers.float;

interface RedEdges {
  /** `[1]` each, in pixels of the input. */
  readonly left: string;
  readonly top: string;
  readonly right: string;
  readonly bottom: string;
  readonly width: string;
  readonly height: string;
  /** 1 where anything is red, else 0. */
  readonly isThere: string;
}

/** Adds nodes that find what is red in pixels `[..., 3, ...]` whose channels are on `channelAxis`. */
function redEdges(
  graph: GraphBuilder,
  pixels: string,
  axes: { readonly channel: number; readonly row: number; readonly column: number },
  threshold: number,
): RedEdges {
  const channel = (index: number) =>
    graph.op("Slice", [
      pixels,
      graph.integers([index]),
      graph.integers([index + 1]),
      graph.integers([axes.channel]),
    ]);
  const red = graph.op("Sub", [channel(0), channel(1)]);
  const mask = graph.op("Cast", [graph.op("Greater", [red, graph.scalar(threshold)])], {
    to: floatType,
  });
  const along = (axis: number) => {
    const others = [0, 1, 2, 3].filter((each) => each !== axis && each < rank(axes));
    const line = graph.op("ReduceMax", [mask, graph.integers(others)], { keepdims: 0 });
    const ones = graph.op("Add", [graph.op("Mul", [line, graph.scalar(0)]), graph.scalar(1)]);
    const ordinals = graph.op("CumSum", [ones, graph.integers([0])]);
    const far = graph.op("Mul", [graph.op("Sub", [graph.scalar(1), line]), graph.scalar(10_000)]);
    const first = graph.op("Add", [graph.op("Sub", [ordinals, graph.scalar(1)]), far]);
    const axis0 = graph.integers([0]);
    return {
      from: graph.op("ReduceMin", [first, axis0], { keepdims: 1 }),
      to: graph.op("ReduceMax", [graph.op("Mul", [ordinals, line]), axis0], { keepdims: 1 }),
      length: graph.op("ReduceMax", [ordinals, axis0], { keepdims: 1 }),
      isThere: graph.op("ReduceMax", [line, axis0], { keepdims: 1 }),
    };
  };
  const columns = along(axes.column);
  const rows = along(axes.row);
  return {
    left: columns.from,
    right: columns.to,
    width: columns.length,
    top: rows.from,
    bottom: rows.to,
    height: rows.length,
    isThere: rows.isThere,
  };
}

const rank = ({ channel, row, column }: { channel: number; row: number; column: number }) =>
  Math.max(channel, row, column) + 1;

function constant(graph: GraphBuilder, shape: readonly number[], values: readonly number[]) {
  const name = `constant_${shape.join("_")}_${values.join("_")}`;
  return graph.floats(name, shape, Float32Array.from(values));
}

function typed(graph: GraphBuilder, value: string, name: string, to: number) {
  graph.op("Cast", [value], { to }, name);
}

const planes = { channel: 1, row: 2, column: 3 };

/**
 * A YOLO of 640 × 640: `[1, 4 + classes, 8400]` (v8), or `[1, 25200, 5 + classes]` (v5). What is red is of class 2 with a
 * score of 0.9, and once more, a bit beside it, with 0.8; the other boxes are zeros.
 */
export function yoloModel(
  form: "v8" | "v5",
  { classCount = 80, type = "float" as "float" | "float16", size = 640 } = {},
): Uint8Array {
  const graph = createGraphBuilder("yolo");
  graph.input("images", [1, 3, size, size], type);
  const pixels = graph.op("Cast", ["images"], { to: floatType });
  const { left, top, right, bottom, isThere } = redEdges(graph, pixels, planes, 0.5);
  const half = graph.scalar(0.5);
  const middle = (a: string, b: string) => graph.op("Mul", [graph.op("Add", [a, b]), half]);
  const objectness = form === "v5" ? [isThere] : [];
  const values = 4 + objectness.length + classCount;
  const scores = Array.from({ length: classCount }, (_, index) => (index === 2 ? 0.9 : 0.01));
  const found = graph.op(
    "Concat",
    [
      ...[middle(left, right), middle(top, bottom)],
      ...[graph.op("Sub", [right, left]), graph.op("Sub", [bottom, top])],
      ...objectness,
      graph.op("Mul", [constant(graph, [classCount], scores), isThere]),
    ],
    { axis: 0 },
  );
  const shift = Array.from({ length: values }, (_, index) => {
    if (index === 0) return 6;
    return index === 4 + objectness.length + 2 ? -0.1 : 0;
  });
  const beside = graph.op("Add", [found, constant(graph, [values], shift)]);
  const boxCount = form === "v8" ? (size * size * 21) / 1_024 : (size * size * 63) / 1_024;
  const rows = graph.op("Reshape", [
    graph.op("Concat", [found, beside], { axis: 0 }),
    graph.integers([1, 2, values]),
  ]);
  const padded = graph.op("Pad", [rows, graph.integers([0, 0, 0, 0, boxCount - 2, 0])]);
  const turned = form === "v8" ? graph.op("Transpose", [padded], { perm: [0, 2, 1] }) : padded;
  typed(graph, turned, "output0", elementNumbers[type]);
  const shape = form === "v8" ? [1, values, boxCount] : [1, boxCount, values];
  graph.output("output0", shape, type);
  return graph.finish();
}

/** A model as torchvision exports it: one picture of any size without a batch axis, and boxes without one. */
export function torchvisionModel(): Uint8Array {
  const graph = createGraphBuilder("torchvision");
  graph.input("image", [3, "height", "width"]);
  const axes = { channel: 0, row: 1, column: 2 };
  const { left, top, right, bottom, isThere } = redEdges(graph, "image", axes, 0.5);
  const box = graph.op("Concat", [left, top, right, bottom], { axis: 0 });
  graph.op("Reshape", [box, graph.integers([1, 4])], {}, "boxes");
  const label = graph.op("Mul", [isThere, graph.scalar(17)]);
  typed(graph, label, "labels", elementNumbers.int64);
  graph.op("Mul", [isThere, graph.scalar(0.75)], {}, "scores");
  graph.output("boxes", ["boxes", 4]);
  graph.output("labels", ["boxes"], "int64");
  graph.output("scores", ["boxes"]);
  return graph.finish();
}

/** A model as TensorFlow's object detection API exports it: bytes of any size, fractions, two rows of which one counts. */
export function objectDetectionModel(): Uint8Array {
  const graph = createGraphBuilder("object-detection");
  graph.input("input_tensor", [1, "height", "width", 3], "uint8");
  const pixels = graph.op("Cast", ["input_tensor"], { to: floatType });
  const axes = { channel: 3, row: 1, column: 2 };
  const red = redEdges(graph, pixels, axes, 127);
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
  graph.op("Reshape", [box, graph.integers([1, 2, 4])], {}, "detection_boxes");
  const pair = (values: readonly number[], name: string) =>
    graph.op("Mul", [constant(graph, [1, 2], values), red.isThere], {}, name);
  pair([0.6, 0], "detection_scores");
  pair([18, 1], "detection_classes");
  graph.op("Identity", [red.isThere], {}, "num_detections");
  graph.output("detection_boxes", [1, 2, 4]);
  graph.output("detection_scores", [1, 2]);
  graph.output("detection_classes", [1, 2]);
  graph.output("num_detections", [1]);
  return graph.finish();
}
