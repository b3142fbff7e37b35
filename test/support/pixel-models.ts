import {
  createGraphBuilder,
  type ElementType,
  type OnnxShape,
} from "../../packages/model-server/src/onnx/graph-builder.ts";

export interface PixelModel {
  readonly dtype: ElementType;
  /** `[n, h, w, c]` or `[n, c, h, w]` with 8 rows, where `n` may be a number. */
  readonly shape: OnnxShape;
  /** Type of the scores. */
  readonly scores: ElementType;
}

const onnxTypes: Readonly<Partial<Record<ElementType, number>>> = {
  float: 1,
  float16: 10,
  double: 11,
};

/** A model that takes pixels as `x`. Its `scores` are the means of the channels, of 255. */
export function pixelModel({ dtype, shape, scores }: PixelModel): Uint8Array {
  const graph = createGraphBuilder("pixels");
  graph.input("x", shape, dtype);
  const floats = graph.op("Cast", ["x"], { to: 1 });
  const axes = shape[1] === 8 ? [1, 2] : [2, 3];
  const mean = graph.op("ReduceMean", [floats, graph.integers(axes)], { keepdims: 0 });
  const share = graph.op("Div", [mean, graph.scalar(255)]);
  graph.op("Cast", [share], { to: onnxTypes[scores] ?? 1 }, "scores");
  graph.output("scores", [shape[0] ?? "n", shape.slice(1).includes(1) ? 1 : 3], scores);
  return graph.finish();
}
