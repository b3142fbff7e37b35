import { elementCount } from "@tensorgate/core";
import { forEachOffset, isNumberDType, numbersOf, stridesOf } from "../convert/numbers.ts";
import {
  numbersInput,
  type OpCall,
  type OpHandler,
  positiveAxis,
  rankOf,
  refuse,
  tensorInput,
  tensorInputs,
} from "../convert/op-call.ts";
import { axisIn } from "../convert/tensor-tools.ts";
import { type Layout, maxKnownElements, type Shape, type TensorValue } from "../convert/value.ts";
import { attributeInteger } from "../read/attributes.ts";

function joined(call: OpCall, values: readonly TensorValue[], axis: number): TensorValue {
  const [first] = values;
  if (!first) return refuse("it has no input");
  const rank = rankOf(first);
  const place = positiveAxis(axis, rank);
  const shape = first.shape?.map((extent, each) =>
    each === place
      ? added(values, place)
      : values.reduce((known, value) => Math.max(known, value.shape?.[each] ?? -1), extent),
  );
  const folded = joinedConstants(call, values, { axis: place, shape });
  if (folded) return folded;
  const isNchw =
    rank === 4 && values.some(({ layout, constant }) => !constant && layout === "nchw");
  const layout: Layout = isNchw ? "nchw" : "plain";
  const names = values.map((value) => call.tools.nameIn(value, layout));
  const name = call.tools.graph.op("Concat", names, { axis: axisIn(layout, place) });
  const all = rank === 1 ? values.flatMap((each) => each.elements ?? unknownElements(each)) : [];
  const elements = rank === 1 && all.length <= maxKnownElements ? all : undefined;
  return call.tools.made(name, { dtype: first.dtype, shape, layout, elements });
}

/** As many as the vector has; of one that is long or of unknown length, more than is known of any. */
function unknownElements({ shape }: TensorValue): readonly undefined[] {
  const [extent = -1] = shape ?? [];
  const isKnown = extent >= 0 && extent <= maxKnownElements;
  return new Array<undefined>(isKnown ? extent : maxKnownElements + 1).fill(undefined);
}

function added(values: readonly TensorValue[], axis: number): number {
  const extents = values.map(({ shape }) => shape?.[axis] ?? -1);
  return extents.includes(-1) ? -1 : extents.reduce((sum, extent) => sum + extent, 0);
}

interface Joined {
  readonly axis: number;
  readonly shape: Shape | undefined;
}

function joinedConstants(
  { tools }: OpCall,
  values: readonly TensorValue[],
  { axis, shape }: Joined,
): TensorValue | undefined {
  const dtype = values[0]?.dtype;
  if (!shape || shape.includes(-1) || !dtype || !isNumberDType(dtype)) return undefined;
  if (values.some(({ constant }) => !constant)) return undefined;
  tools.charge(elementCount(shape));
  const result = new Float64Array(elementCount(shape));
  const strides = stridesOf(shape);
  let start = 0;
  for (const { constant } of values) {
    const numbers = constant && numbersOf(constant);
    if (!numbers || !constant) return undefined;
    let read = 0;
    const put = (offset: number) => {
      result[offset] = numbers[read] as number;
      read += 1;
    };
    forEachOffset(constant.shape, strides, put, start * (strides[axis] as number));
    start += constant.shape[axis] as number;
  }
  return tools.folded(dtype, shape, result);
}

function pack(call: OpCall): TensorValue {
  const values = tensorInputs(call);
  const [first] = values;
  if (!first) return refuse("it has no input");
  const axis = positiveAxis(attributeInteger(call.node, "axis", 0), rankOf(first) + 1);
  const { graph, plain, made, foldedTensor } = call.tools;
  const lifted = values.map((value): TensorValue => {
    const shape = (value.shape ?? refuse("the rank of an input is not known")).toSpliced(
      axis,
      0,
      1,
    );
    const { constant, dtype, elements } = value;
    if (constant && "data" in constant) return foldedTensor({ ...constant, shape });
    const name = graph.op("Unsqueeze", [plain(value), graph.integers([axis])]);
    return made(name, { dtype, shape, elements: shape.length === 1 ? elements : undefined });
  });
  return joined(call, lifted, axis);
}

/** Takes the elements of an axis (the first, without a third input) that the second input lists. */
export function gather(call: OpCall): TensorValue {
  const [value, indices] = [tensorInput(call, 0), tensorInput(call, 1)];
  const [axis = 0] = call.inputs.length > 2 ? numbersInput(call, 2, "the axes") : [0];
  if (attributeInteger(call.node, "batch_dims", 0) !== 0) refuse("with batches of indices");
  const rank = rankOf(value);
  const place = positiveAxis(axis, rank);
  const { graph, plain, made, folded } = call.tools;
  const numbers = value.constant && numbersOf(value.constant);
  const chosen = indices.constant && numbersOf(indices.constant);
  if (numbers && chosen && rank === 1 && isNumberDType(value.dtype)) {
    const picked = Float64Array.from(chosen, (index) => numbers[index] ?? refuse(`index ${index}`));
    return folded(value.dtype, indices.constant?.shape ?? [], picked);
  }
  const shape = value.shape && indices.shape && value.shape.toSpliced(place, 1, ...indices.shape);
  const elements =
    chosen && rank === 1 ? Array.from(chosen, (at) => value.elements?.[at]) : undefined;
  const name = graph.op("Gather", [plain(value), plain(indices)], { axis: place });
  return made(name, { dtype: value.dtype, shape, elements });
}

export const joinOps: readonly (readonly [string, OpHandler])[] = [
  [
    "ConcatV2",
    (call) => {
      const last = call.inputs.length - 1;
      const [axis = 0] = numbersInput(call, last, "the axes");
      return joined(call, tensorInputs({ ...call, inputs: call.inputs.slice(0, last) }), axis);
    },
  ],
  [
    "Concat",
    (call) => {
      const [axis = 0] = numbersInput(call, 0, "the axes");
      return joined(call, tensorInputs({ ...call, inputs: call.inputs.slice(1) }), axis);
    },
  ],
  ["Pack", pack],
  ["Gather", gather],
  ["GatherV2", gather],
];
