import type { GraphBuilder } from "../../packages/model-server/src/onnx/graph-builder.ts";

/** Numbers of ONNX's element types. */
export const elementNumbers = { float: 1, float16: 10, int32: 6, int64: 7 } as const;
export const floatType = elementNumbers.float;

export interface RedEdges {
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

interface PixelAxes {
  readonly channel: number;
  readonly row: number;
  readonly column: number;
  /** Which channel is red's; the first by default. */
  readonly red?: number;
}

/** Adds nodes that find what is red in pixels `[..., 3, ...]` whose channels are on `channelAxis`. */
export function redEdges(
  graph: GraphBuilder,
  pixels: string,
  axes: PixelAxes,
  threshold: number,
): RedEdges {
  const channel = (index: number) =>
    graph.op("Slice", [
      pixels,
      graph.integers([index]),
      graph.integers([index + 1]),
      graph.integers([axes.channel]),
    ]);
  const red = graph.op("Sub", [channel(axes.red ?? 0), channel(1)]);
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

const rank = ({ channel, row, column }: PixelAxes) => Math.max(channel, row, column) + 1;

export function constant(graph: GraphBuilder, shape: readonly number[], values: readonly number[]) {
  const name = `constant_${shape.join("_")}_${values.join("_")}`;
  return graph.floats(name, shape, Float32Array.from(values));
}

/** Axes of `[1, 3, rows, columns]`, and of `[1, rows, columns, 3]`. */
export const planes = { channel: 1, row: 2, column: 3 };
export const rows = { channel: 3, row: 1, column: 2 };
