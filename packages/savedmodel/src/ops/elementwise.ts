import { type DType, elementCount } from "@tensorgate/core";
import { broadcastShape, combined, isNumberDType, numbersOf } from "../convert/numbers.ts";
import {
  type OpCall,
  type OpHandler,
  refuse,
  tensorInput,
  tensorInputs,
} from "../convert/op-call.ts";
import type { Shape, TensorValue } from "../convert/value.ts";

type Compute = (a: number, b: number) => number;

/** How an operator of two inputs is written in ONNX, and computed of constants. */
interface BinaryRule {
  /** @returns name of the result */
  readonly emit: (call: OpCall, names: readonly string[], dtype: DType) => string;
  readonly compute: Compute;
  readonly result?: DType;
}

const as =
  (type: string) =>
  ({ tools }: OpCall, names: readonly string[]): string =>
    tools.graph.op(type, names);

const isInteger = (dtype: DType) => /^U?INT/.test(dtype);

function floorQuotient(
  { tools: { graph } }: OpCall,
  names: readonly string[],
  dtype: DType,
): string {
  if (!isInteger(dtype)) return graph.op("Floor", [graph.op("Div", names)]);
  const [a = "", b = ""] = names;
  // The remainder of ONNX has the sign of the divisor, so that what is left divides evenly.
  return graph.op("Div", [graph.op("Sub", [a, graph.op("Mod", names)]), b]);
}

function floorRemainder(call: OpCall, names: readonly string[], dtype: DType): string {
  const { graph } = call.tools;
  if (isInteger(dtype)) return graph.op("Mod", names);
  const [a = "", b = ""] = names;
  return graph.op("Sub", [a, graph.op("Mul", [floorQuotient(call, names, dtype), b])]);
}

function squaredDifference({ tools: { graph } }: OpCall, names: readonly string[]): string {
  const difference = graph.op("Sub", names);
  return graph.op("Mul", [difference, difference]);
}

const add: BinaryRule = { emit: as("Add"), compute: (a, b) => a + b };
const divide: BinaryRule = { emit: as("Div"), compute: (a, b) => a / b };
const comparison = (type: string, compute: (a: number, b: number) => boolean): BinaryRule => ({
  emit: as(type),
  compute: (a, b) => +compute(a, b),
  result: "BOOL",
});

const rules: Readonly<Record<string, BinaryRule>> = {
  Add: add,
  AddV2: add,
  Sub: { emit: as("Sub"), compute: (a, b) => a - b },
  Mul: { emit: as("Mul"), compute: (a, b) => a * b },
  Div: divide,
  RealDiv: divide,
  FloorDiv: { emit: floorQuotient, compute: (a, b) => Math.floor(a / b) },
  FloorMod: { emit: floorRemainder, compute: (a, b) => a - Math.floor(a / b) * b },
  Maximum: { emit: as("Max"), compute: Math.max },
  Minimum: { emit: as("Min"), compute: Math.min },
  Pow: { emit: as("Pow"), compute: (a, b) => a ** b },
  SquaredDifference: { emit: squaredDifference, compute: (a, b) => (a - b) ** 2 },
  Greater: comparison("Greater", (a, b) => a > b),
  GreaterEqual: comparison("GreaterOrEqual", (a, b) => a >= b),
  Less: comparison("Less", (a, b) => a < b),
  LessEqual: comparison("LessOrEqual", (a, b) => a <= b),
  Equal: comparison("Equal", (a, b) => a === b),
  LogicalAnd: comparison("And", (a, b) => a !== 0 && b !== 0),
  LogicalOr: comparison("Or", (a, b) => a !== 0 || b !== 0),
  NotEqual: {
    ...comparison("Equal", (a, b) => a !== b),
    emit: ({ tools: { graph } }, names) => graph.op("Not", [graph.op("Equal", names)]),
  },
};

function binary({ emit, compute, result }: BinaryRule): OpHandler {
  return (call) => {
    const [a, b] = [tensorInput(call, 0), tensorInput(call, 1)];
    const dtype = result ?? a.dtype;
    const folded = foldedPair(call, { a, b, dtype, compute });
    if (folded) return folded;
    const shape = commonShape([a, b]);
    const { names, layout } = call.tools.aligned([a, b]);
    return call.tools.made(emit(call, names, a.dtype), { dtype, shape, layout });
  };
}

interface Pair {
  readonly a: TensorValue;
  readonly b: TensorValue;
  readonly dtype: DType;
  readonly compute: Compute;
}

function foldedPair({ tools }: OpCall, { a, b, dtype, compute }: Pair): TensorValue | undefined {
  if (!a.constant || !b.constant || !isNumberDType(dtype)) return undefined;
  const [x, y] = [numbersOf(a.constant), numbersOf(b.constant)];
  if (!x || !y) return undefined;
  const shape = broadcastShape(a.constant.shape, b.constant.shape);
  if (shape) tools.charge(elementCount(shape));
  const made = combined(
    { shape: a.constant.shape, values: x },
    { shape: b.constant.shape, values: y },
    compute,
  );
  // An integer divided by 0 is none, and is left to the engine.
  const isPossible = !isInteger(dtype) || made?.values.every(Number.isFinite);
  return made && isPossible ? tools.folded(dtype, made.shape, made.values) : undefined;
}

/** The shape that tensors are broadcast to; undefined if it is not known. */
export function commonShape(values: readonly TensorValue[]): Shape | undefined {
  let common: Shape = [];
  for (const { shape } of values) {
    if (!shape) return undefined;
    common =
      broadcastShape(common, shape) ?? refuse(`shapes [${common}] and [${shape}] do not broadcast`);
  }
  return common;
}

function sum(call: OpCall): TensorValue {
  const values = tensorInputs(call);
  const [first] = values;
  if (!first) return refuse("it has no input");
  const { names, layout } = call.tools.aligned(values);
  const name = call.tools.graph.op("Sum", names);
  return call.tools.made(name, { dtype: first.dtype, shape: commonShape(values), layout });
}

function select(call: OpCall): TensorValue {
  const [test, a, b] = [tensorInput(call, 0), tensorInput(call, 1), tensorInput(call, 2)];
  // The first generation selects whole rows by a vector.
  const isByRow = call.node.op === "Select" && test.shape?.length === 1 && a.shape?.length !== 1;
  if (isByRow) refuse("a vector that selects rows");
  const { names, layout } = call.tools.aligned([test, a, b]);
  const shape = commonShape([test, a, b]);
  return call.tools.made(call.tools.graph.op("Where", names), { dtype: a.dtype, shape, layout });
}

function clipByValue(call: OpCall): TensorValue {
  const [x, low, high] = [tensorInput(call, 0), tensorInput(call, 1), tensorInput(call, 2)];
  const { names, layout } = call.tools.aligned([x, low, high]);
  const [name = "", min = "", max = ""] = names;
  const { graph, made } = call.tools;
  const clipped = graph.op("Min", [graph.op("Max", [name, min]), max]);
  return made(clipped, { dtype: x.dtype, shape: commonShape([x, low, high]), layout });
}

export const elementwiseOps: readonly (readonly [string, OpHandler])[] = [
  ...Object.entries(rules).map(([op, rule]) => [op, binary(rule)] as const),
  ["AddN", sum],
  ["Select", select],
  ["SelectV2", select],
  ["ClipByValue", clipByValue],
];
