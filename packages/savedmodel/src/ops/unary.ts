import { type DType, float16Bits } from "@tensorgate/core";
import { isNumberDType, numbersOf } from "../convert/numbers.ts";
import type { OnnxAttributes } from "../convert/onnx-graph.ts";
import { onnxDataType } from "../convert/onnx-model.ts";
import { type OpCall, type OpHandler, refuse, tensorInput } from "../convert/op-call.ts";
import type { TensorValue } from "../convert/value.ts";
import { attributeDType, attributeFloat } from "../read/attributes.ts";

/** How an operator of one input is written in ONNX, and computed of a constant. */
interface UnaryRule {
  readonly emit: (call: OpCall, name: string, dtype: DType) => string;
  readonly compute?: (value: number) => number;
}

const as =
  (type: string, attributes: (call: OpCall) => OnnxAttributes = () => ({})) =>
  (call: OpCall, name: string): string =>
    call.tools.graph.op(type, [name], attributes(call));

/** A constant of the type that the operator's input has. */
function scalar({ tools }: OpCall, value: number, dtype: DType): string {
  if (isNumberDType(dtype)) return tools.plain(tools.folded(dtype, [], [value]));
  if (dtype !== "FP16") return refuse(`of ${dtype}`);
  const data = new Uint8Array(Uint16Array.of(float16Bits(value)).buffer);
  return tools.graph.constant({ dtype, shape: [], data });
}

/** Of two integers that are as near, the even one. */
function roundToEven(value: number): number {
  const up = Math.round(value);
  return up - value === 0.5 && up % 2 !== 0 ? up - 1 : up;
}

const inverse: UnaryRule = { emit: as("Reciprocal"), compute: (x) => 1 / x };

const rules: Readonly<Record<string, UnaryRule>> = {
  Neg: { emit: as("Neg"), compute: (x) => -x },
  Abs: { emit: as("Abs"), compute: Math.abs },
  Sqrt: { emit: as("Sqrt"), compute: Math.sqrt },
  Rsqrt: {
    emit: ({ tools: { graph } }, name) => graph.op("Reciprocal", [graph.op("Sqrt", [name])]),
    compute: (x) => 1 / Math.sqrt(x),
  },
  Square: {
    emit: ({ tools: { graph } }, name) => graph.op("Mul", [name, name]),
    compute: (x) => x * x,
  },
  Reciprocal: inverse,
  Inv: inverse,
  Exp: { emit: as("Exp"), compute: Math.exp },
  Log: { emit: as("Log"), compute: Math.log },
  Floor: { emit: as("Floor"), compute: Math.floor },
  Ceil: { emit: as("Ceil"), compute: Math.ceil },
  Round: { emit: as("Round"), compute: roundToEven },
  Sign: { emit: as("Sign"), compute: Math.sign },
  Sin: { emit: as("Sin"), compute: Math.sin },
  Cos: { emit: as("Cos"), compute: Math.cos },
  Erf: { emit: as("Erf") },
  Erfc: {
    emit: (call, name, dtype) =>
      call.tools.graph.op("Sub", [scalar(call, 1, dtype), call.tools.graph.op("Erf", [name])]),
  },
  LogicalNot: { emit: as("Not"), compute: (x) => +(x === 0) },
  Relu: { emit: as("Relu"), compute: (x) => Math.max(0, x) },
  Relu6: {
    emit: (call, name, dtype) =>
      call.tools.graph.op("Clip", [name, scalar(call, 0, dtype), scalar(call, 6, dtype)]),
  },
  Elu: { emit: as("Elu") },
  Selu: { emit: as("Selu") },
  LeakyRelu: {
    emit: as("LeakyRelu", ({ node }) => ({ alpha: { float: attributeFloat(node, "alpha", 0.2) } })),
  },
  Softplus: { emit: as("Softplus") },
  Softsign: { emit: as("Softsign") },
  Sigmoid: { emit: as("Sigmoid"), compute: (x) => 1 / (1 + Math.exp(-x)) },
  Tanh: { emit: as("Tanh"), compute: Math.tanh },
};

function unary({ emit, compute }: UnaryRule): OpHandler {
  return (call) => {
    const value = tensorInput(call, 0);
    const { dtype, shape, layout, constant } = value;
    const numbers = compute && constant && numbersOf(constant);
    if (numbers && constant && isNumberDType(dtype)) {
      return call.tools.folded(dtype, constant.shape, Float64Array.from(numbers, compute));
    }
    return call.tools.made(emit(call, call.tools.nameIn(value, layout), dtype), {
      dtype,
      shape,
      layout,
    });
  };
}

function filledLike(filling: number): OpHandler {
  return (call) => {
    const value = tensorInput(call, 0);
    const { dtype, shape, layout } = value;
    if (!isNumberDType(dtype)) return refuse(`of ${dtype}`);
    const { graph, plain, folded, made, nameIn } = call.tools;
    const extents = graph.op("Shape", [nameIn(value, layout)]);
    const name = graph.op("Expand", [plain(folded(dtype, [], [filling])), extents]);
    return made(name, { dtype, shape, layout });
  };
}

/** Hands its input on. */
const same: OpHandler = ({ inputs: [value] }) => value ?? refuse("it has no input");

function cast(call: OpCall): TensorValue {
  const value = tensorInput(call, 0);
  const { tools, node } = call;
  const dtype = attributeDType(node, "DstT") ?? refuse("to a type that is not known");
  if (dtype === value.dtype) return value;
  const { constant, shape, layout } = value;
  const numbers = constant && numbersOf(constant);
  if (numbers && isNumberDType(dtype)) {
    const isTruncated = isFloat(constant.dtype) && !isFloat(dtype);
    const convert = (x: number) =>
      dtype === "BOOL" ? +(x !== 0) : isTruncated ? Math.trunc(x) : x;
    return tools.folded(dtype, constant.shape, Float64Array.from(numbers, convert));
  }
  const to = onnxDataType(dtype) ?? refuse(`to ${dtype}`);
  const from = tools.nameIn(value, layout);
  const name = tools.graph.op("Cast", [from], { to });
  const isIndex = isInteger(value.dtype) && isInteger(dtype) && layout === "plain";
  return tools.made(name, {
    dtype,
    shape,
    layout,
    elements: isIndex ? value.elements : undefined,
    ...(isIndex && value.dtype === "INT64" && { int64Name: from }),
  });
}

const isFloat = (dtype: string) => /^(FP|BF)/.test(dtype);
const isInteger = (dtype: string) => dtype === "INT32" || dtype === "INT64";

export const unaryOps: readonly (readonly [string, OpHandler])[] = [
  ...Object.entries(rules).map(([op, rule]) => [op, unary(rule)] as const),
  ["ZerosLike", filledLike(0)],
  ["OnesLike", filledLike(1)],
  ["Cast", cast],
  ["Identity", same],
  ["StopGradient", same],
  ["PreventGradient", same],
  ["CheckNumerics", same],
  ["Snapshot", same],
  ["EnsureShape", same],
  // One that is not fed has its default.
  ["PlaceholderWithDefault", same],
];
