import { type DType, elementCount } from "@tensorgate/core";
import { isNumberDType, numbersOf } from "../convert/numbers.ts";
import {
  numbersInput,
  type OpCall,
  type OpHandler,
  positiveAxis,
  rankOf,
  refuse,
  tensorInput,
} from "../convert/op-call.ts";
import { axisIn } from "../convert/tensor-tools.ts";
import type { Layout, Shape, TensorValue } from "../convert/value.ts";
import { attributeDType, attributeFlag } from "../read/attributes.ts";

/**
 * The layout in which axes can be taken out of a tensor: its own, if the axes that are left have the same order in it as
 * in TensorFlow.
 */
export function layoutWithout({ layout }: TensorValue, removed: ReadonlySet<number>): Layout {
  if (layout === "plain") return layout;
  const places = [0, 1, 2, 3]
    .filter((axis) => !removed.has(axis))
    .map((axis) => axisIn(layout, axis));
  const isOrdered = places.every(
    (place, index) => index === 0 || place > (places[index - 1] as number),
  );
  return isOrdered ? layout : "plain";
}

/** A shape whose axes are reduced: to 1, or away. */
export function reducedShape(
  shape: Shape,
  removed: ReadonlySet<number>,
  keepsAxes: boolean,
): Shape {
  return keepsAxes
    ? shape.map((extent, axis) => (removed.has(axis) ? 1 : extent))
    : shape.filter((_, axis) => !removed.has(axis));
}

function reduction(type: string, fold?: (values: ArrayLike<number>) => number): OpHandler {
  return (call) => {
    const value = tensorInput(call, 0);
    const rank = rankOf(value);
    const axes = new Set(numbersInput(call, 1, "the axes").map((axis) => positiveAxis(axis, rank)));
    if (axes.size === 0) return value;
    const keepsAxes = attributeFlag(call.node, "keep_dims");
    const { dtype } = value;
    const shape = reducedShape(value.shape ?? [], axes, keepsAxes);
    const folded = fold && foldedWhole(call, value, { axes, fold, shape });
    if (folded) return folded;
    const layout = keepsAxes ? value.layout : layoutWithout(value, axes);
    const { graph, nameIn, made } = call.tools;
    const places = [...axes].map((axis) => axisIn(layout, axis)).toSorted((a, b) => a - b);
    const isLogical = dtype === "BOOL";
    // ONNX reduces no truth values: the smallest of 0 and 1 is "all", the largest "any".
    const input = nameIn(value, layout);
    const numbers = isLogical ? graph.op("Cast", [input], { to: 6 }) : input;
    const name = graph.op(type, [numbers, graph.integers(places)], { keepdims: +keepsAxes });
    const result = isLogical ? graph.op("Cast", [name], { to: 9 }) : name;
    return made(result, { dtype, shape, layout: keepsAxes ? layout : "plain" });
  };
}

interface Folded {
  readonly axes: ReadonlySet<number>;
  readonly fold: (values: ArrayLike<number>) => number;
  readonly shape: Shape;
}

/** Computes the reduction of a constant to one number, such as a product of extents. */
function foldedWhole(
  { tools }: OpCall,
  { constant, dtype }: TensorValue,
  { axes, fold, shape }: Folded,
): TensorValue | undefined {
  const isWhole =
    constant && axes.size === constant.shape.length && elementCount(constant.shape) > 0;
  const numbers = isWhole ? numbersOf(constant) : undefined;
  return numbers && isNumberDType(dtype) ? tools.folded(dtype, shape, [fold(numbers)]) : undefined;
}

const over =
  (combine: (a: number, b: number) => number) =>
  (values: ArrayLike<number>): number =>
    Array.from(values).reduce(combine);

function argument(type: "ArgMax" | "ArgMin"): OpHandler {
  return (call) => {
    const value = tensorInput(call, 0);
    const [axis = 0] = numbersInput(call, 1, "the axes");
    const removed = new Set([positiveAxis(axis, rankOf(value))]);
    const { graph, nameIn, made } = call.tools;
    const layout = layoutWithout(value, removed);
    const [place = 0] = [...removed].map((each) => axisIn(layout, each));
    const wide = graph.op(type, [nameIn(value, layout)], { axis: place, keepdims: 0 });
    const shape = reducedShape(value.shape ?? [], removed, false);
    const dtype: DType = attributeDType(call.node, "output_type") ?? "INT64";
    if (dtype === "INT64") return made(wide, { dtype, shape });
    if (dtype !== "INT32") return refuse(`to ${dtype}`);
    return made(graph.op("Cast", [wide], { to: 6 }), { dtype, shape, int64Name: wide });
  };
}

export const reductionOps: readonly (readonly [string, OpHandler])[] = [
  ["Mean", reduction("ReduceMean")],
  [
    "Sum",
    reduction(
      "ReduceSum",
      over((a, b) => a + b),
    ),
  ],
  [
    "Prod",
    reduction(
      "ReduceProd",
      over((a, b) => a * b),
    ),
  ],
  ["Max", reduction("ReduceMax", over(Math.max))],
  ["Min", reduction("ReduceMin", over(Math.min))],
  ["All", reduction("ReduceMin", over(Math.min))],
  ["Any", reduction("ReduceMax", over(Math.max))],
  ["ArgMax", argument("ArgMax")],
  ["ArgMin", argument("ArgMin")],
];
