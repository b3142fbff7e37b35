import { type DType, elementCount } from "@tensorgate/core";
import { isNumberDType, permuted, reshaped, tensorOfNumbers } from "../convert/numbers.ts";
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
import { constantValue, maxKnownElements, type Shape, type TensorValue } from "../convert/value.ts";
import { attributeDType, attributeIntegers } from "../read/attributes.ts";
import { layoutWithout } from "./reductions.ts";

/** The extents of a tensor, as far as they are known, and the rest when the model runs. */
function shapeOf(call: OpCall, index: number): TensorValue {
  const value = tensorInput(call, index);
  const dtype: DType = attributeDType(call.node, "out_type") ?? "INT32";
  if (dtype !== "INT32" && dtype !== "INT64") return refuse(`to ${dtype}`);
  const { graph, folded, nameIn, made } = call.tools;
  const { shape, layout } = value;
  if (shape && !shape.includes(-1)) return folded(dtype, [shape.length], shape);
  const stored = graph.op("Shape", [nameIn(value, layout)]);
  const wide =
    layout === "plain" ? stored : graph.op("Gather", [stored, graph.integers([0, 2, 3, 1])]);
  const elements = shape?.map((extent) => (extent < 0 ? undefined : extent));
  const name = dtype === "INT64" ? wide : graph.op("Cast", [wide], { to: 6 });
  const vector = shape ? [shape.length] : [-1];
  return made(name, { dtype, shape: vector, elements, int64Name: wide });
}

function size(call: OpCall): TensorValue {
  const { shape } = tensorInput(call, 0);
  if (!shape || shape.includes(-1)) return refuse("of a tensor whose shape is not known");
  const dtype = attributeDType(call.node, "out_type") ?? "INT32";
  return isNumberDType(dtype) ? call.tools.folded(dtype, [], [elementCount(shape)]) : refuse(dtype);
}

/**
 * Reshapes. Of a shape with one extent that is not known, such as the batch, that one follows from the others: it
 * becomes -1, and nothing has to be computed when the model runs.
 */
function reshape(call: OpCall): TensorValue {
  const [value, wanted] = [tensorInput(call, 0), tensorInput(call, 1)];
  const { graph, plain, int64, made, foldedTensor } = call.tools;
  const known = wanted.elements?.map((extent) => extent ?? -1);
  const target = known && known.filter((extent) => extent < 0).length <= 1 ? known : undefined;
  const shape = target ? resolved(target, value.shape) : wanted.elements?.map((each) => each ?? -1);
  const { dtype, constant } = value;
  if (constant && "data" in constant && shape && !shape.includes(-1)) {
    return foldedTensor(reshaped(constant, shape));
  }
  const input = isSameOrder(value) ? call.tools.nameIn(value, value.layout) : plain(value);
  const extents = target ? graph.integers(target) : int64(wanted);
  const allowsZero = target?.includes(0) ? { allowzero: 1 } : {};
  const rank = wanted.shape?.[0] ?? -1;
  const open = rank >= 0 && rank <= maxKnownElements ? new Array<number>(rank).fill(-1) : undefined;
  return made(graph.op("Reshape", [input, extents], allowsZero), { dtype, shape: shape ?? open });
}

/** Whether a picture of one pixel has its elements in the same order in both layouts. */
function isSameOrder({ layout, shape }: TensorValue): boolean {
  return layout === "plain" || (shape?.[1] === 1 && shape[2] === 1);
}

/** Fills in the extent that follows from the others. */
function resolved(target: Shape, from: Shape | undefined): Shape {
  const open = target.indexOf(-1);
  if (open < 0 || !from) return target;
  const rest = target.filter((_, axis) => axis !== open);
  const unknown = from.filter((extent) => extent < 0).length;
  const count = elementCount(from.filter((extent) => extent >= 0));
  const others = elementCount(rest);
  if (unknown > 0 || others === 0 || count % others !== 0) return target;
  return target.with(open, count / others);
}

function squeeze(call: OpCall): TensorValue {
  const value = tensorInput(call, 0);
  const rank = rankOf(value);
  const shape = value.shape as Shape;
  const dims = ["squeeze_dims", "axis"].map((name) => attributeIntegers(call.node, name));
  const given = dims.find((each) => each.length > 0) ?? [];
  if (given.length === 0 && shape.includes(-1))
    refuse("without axes, of a shape that is not known");
  const ones = shape.flatMap((extent, axis) => (extent === 1 ? [axis] : []));
  const removed = new Set(given.length > 0 ? given.map((axis) => positiveAxis(axis, rank)) : ones);
  const kept = shape.filter((_, axis) => !removed.has(axis));
  const { constant, dtype } = value;
  if (constant && "data" in constant) return call.tools.foldedTensor(reshaped(constant, kept));
  if (removed.size === 0) return value;
  const layout = layoutWithout(value, removed);
  const { graph, nameIn, made } = call.tools;
  const axes = [...removed].map((axis) => axisIn(layout, axis)).toSorted((a, b) => a - b);
  const name = graph.op("Squeeze", [nameIn(value, layout), graph.integers(axes)]);
  return made(name, { dtype, shape: kept, elements: value.elements });
}

function expandDims(call: OpCall): TensorValue {
  const value = tensorInput(call, 0);
  const [axis = 0] = numbersInput(call, 1, "the axes");
  const place = positiveAxis(axis, rankOf(value) + 1);
  const shape = (value.shape as Shape).toSpliced(place, 0, 1);
  const { constant, dtype } = value;
  if (constant && "data" in constant) return call.tools.foldedTensor(reshaped(constant, shape));
  const { graph, plain, made } = call.tools;
  const name = graph.op("Unsqueeze", [plain(value), graph.integers([place])]);
  return made(name, { dtype, shape, elements: shape.length === 1 ? value.elements : undefined });
}

function transpose(call: OpCall): TensorValue {
  const value = tensorInput(call, 0);
  const order = numbersInput(call, 1, "the places of the axes");
  const { constant, dtype, layout } = value;
  if (constant && "data" in constant) return call.tools.foldedTensor(permuted(constant, order));
  const shape = value.shape && order.map((axis) => value.shape?.[axis] ?? -1);
  const { graph, nameIn, made } = call.tools;
  const perm = order.map((axis) => axisIn(layout, axis));
  const input = nameIn(value, layout);
  const isSame = perm.every((place, axis) => place === axis);
  return made(isSame ? input : graph.op("Transpose", [input], { perm }), { dtype, shape });
}

function fill(call: OpCall): TensorValue {
  const [extents, value] = [tensorInput(call, 0), tensorInput(call, 1)];
  return expanded(call, { extents, value });
}

function broadcastTo(call: OpCall): TensorValue {
  return expanded(call, { value: tensorInput(call, 0), extents: tensorInput(call, 1) });
}

interface Expansion {
  readonly value: TensorValue;
  readonly extents: TensorValue;
}

/** Most elements of a constant that is written out. */
const maxFilled = 65_536;

function expanded(call: OpCall, { value, extents }: Expansion): TensorValue {
  const { graph, plain, int64, made, foldedTensor } = call.tools;
  const { dtype, constant } = value;
  const shape = extents.elements?.map((extent) => extent ?? -1);
  const isOne = constant && elementCount(constant.shape) === 1 && "data" in constant;
  if (isOne && extents.constant && shape && elementCount(shape) <= maxFilled) {
    const count = elementCount(shape);
    const data = new Uint8Array(count * constant.data.byteLength);
    for (let at = 0; at < count; at += 1) data.set(constant.data, at * constant.data.byteLength);
    return foldedTensor({ ...constant, shape, data });
  }
  return made(graph.op("Expand", [plain(value), int64(extents)]), { dtype, shape });
}

function range(call: OpCall): TensorValue {
  const [start = 0, limit = 0, delta = 1] = [0, 1, 2].map((index) => {
    const [value = 0] = numbersInput(call, index, "the limits");
    return value;
  });
  const count = Math.max(0, Math.ceil((limit - start) / delta));
  const { dtype } = tensorInput(call, 0);
  if (!isNumberDType(dtype) || count > maxFilled) return refuse(`of ${count} elements`);
  const values = Float64Array.from({ length: count }, (_, index) => start + index * delta);
  return call.tools.folded(dtype, [count], values);
}

function tile(call: OpCall): TensorValue {
  const [value, times] = [tensorInput(call, 0), tensorInput(call, 1)];
  const { graph, plain, int64, made } = call.tools;
  const shape = value.shape?.map((extent, axis) => {
    const count = times.elements?.[axis];
    return extent < 0 || count === undefined ? -1 : extent * count;
  });
  return made(graph.op("Tile", [plain(value), int64(times)]), { dtype: value.dtype, shape });
}

function rank(call: OpCall): TensorValue {
  const count = rankOf(tensorInput(call, 0));
  return constantValue(tensorOfNumbers("INT32", [], [count]));
}

export const shapeOps: readonly (readonly [string, OpHandler])[] = [
  ["Shape", (call) => shapeOf(call, 0)],
  ["ShapeN", (call) => call.inputs.map((_, index) => shapeOf(call, index))],
  ["Size", size],
  ["Rank", rank],
  ["Reshape", reshape],
  ["Squeeze", squeeze],
  ["ExpandDims", expandDims],
  ["Transpose", transpose],
  ["Fill", fill],
  ["BroadcastTo", broadcastTo],
  ["Range", range],
  ["Tile", tile],
];
