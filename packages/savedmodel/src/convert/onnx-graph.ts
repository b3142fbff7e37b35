import { create } from "@bufbuild/protobuf";
import { elementCount, type FixedSizeTensor, type TensorInfo } from "@tensorgate/core";
import {
  type AttributeProto,
  AttributeProtoSchema,
  AttributeProto_AttributeType as AttributeType,
  type NodeProto,
  NodeProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from "@tensorgate/proto/onnx/onnx";
import { SavedModelError } from "../saved-model-error.ts";
import { type Held, modelBytes, onnxDataType } from "./onnx-model.ts";

/** Integers unless said otherwise. */
export type OnnxAttribute =
  | number
  | readonly number[]
  | { readonly float: number }
  | { readonly text: string };

export type OnnxAttributes = Readonly<Record<string, OnnxAttribute>>;

/** An ONNX model that grows node by node. Tensors are known by their names. */
export interface OnnxGraph {
  /** Names of what is added from now on begin with this. */
  name(prefix: string): void;
  input(name: string, info: TensorInfo): string;
  /** Keeps a name for an output. @returns the name, or a numbered one if it is taken */
  reserve(name: string): string;
  /** Makes a tensor an output, by a name that was kept for it. */
  output(name: string, tensor: string, info: TensorInfo): void;
  constant(tensor: FixedSizeTensor): string;
  /** A constant vector of INT64. */
  integers(values: readonly number[]): string;
  /** Adds a node with one output. An empty name leaves out an input. */
  op(type: string, inputs: readonly string[], attributes?: OnnxAttributes): string;
  /** Adds a node with several outputs. */
  ops(
    type: string,
    inputs: readonly string[],
    outputCount: number,
    attributes?: OnnxAttributes,
  ): readonly string[];
  /** The operator whose result a tensor is, whatever was done to its shape since; undefined for an input or a constant. */
  producer(tensor: string): string | undefined;
  /** Writes the model, without what no output needs. */
  finish(): FinishedGraph;
}

export interface FinishedGraph {
  readonly model: Uint8Array;
  readonly nodeCount: number;
  /** Elements of all constants of floating-point numbers. */
  readonly parameterCount: number;
}

/** Longer prefixes of names are cut: functions inside functions have long ones. */
const maxPrefixChars = 160;
/** Constants up to so many bytes are held once. */
const maxSharedBytes = 256;

/**
 * @param maxBytes - largest model, and most bytes of constants that it holds until it is written
 */
export function createOnnxGraph(maxBytes: number): OnnxGraph {
  let heldBytes = 0;
  const nodes: NodeProto[] = [];
  const held: Held[] = [];
  const shared = new Map<string, string>();
  const inputs: ValueInfoProto[] = [];
  const outputs: ValueInfoProto[] = [];
  const taken = new Map<string, number>();
  let prefix = "node";

  /** Returns a name that no other tensor has. */
  function unique(wanted: string): string {
    for (;;) {
      const count = taken.get(wanted) ?? 0;
      taken.set(wanted, count + 1);
      if (count === 0) return wanted;
      const numbered = `${wanted}_${count}`;
      if (!taken.has(numbered)) {
        taken.set(numbered, 1);
        return numbered;
      }
    }
  }

  function hold(tensor: FixedSizeTensor): string {
    heldBytes += tensor.data.byteLength;
    if (heldBytes > maxBytes) {
      throw new SavedModelError("too-large", `constants of more than ${maxBytes} bytes`);
    }
    const name = unique(`${prefix}/constant`);
    held.push({ name, tensor });
    return name;
  }

  const graph: OnnxGraph = {
    name: (text) => {
      prefix = text.slice(-maxPrefixChars) || "node";
    },
    input: (wanted, info) => {
      const name = unique(wanted);
      inputs.push(valueInfo(name, info));
      return name;
    },
    reserve: unique,
    output: (name, tensor, info) => {
      nodes.push(nodeProto("Identity", [tensor], [name], {}));
      outputs.push(valueInfo(name, info));
    },
    constant: (tensor) => {
      if (tensor.data.byteLength > maxSharedBytes) return hold(tensor);
      const key = `${tensor.dtype} ${tensor.shape} ${Buffer.from(tensor.data).toString("hex")}`;
      const known = shared.get(key);
      if (known !== undefined) return known;
      const name = hold(tensor);
      shared.set(key, name);
      return name;
    },
    integers: (values) => {
      const data = new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
      return graph.constant({ dtype: "INT64", shape: [values.length], data });
    },
    op: (type, from, attributes = {}) => graph.ops(type, from, 1, attributes)[0] as string,
    ops: (type, from, outputCount, attributes = {}) => {
      const names = Array.from({ length: outputCount }, () => unique(prefix));
      nodes.push(nodeProto(type, from, names, attributes));
      return names;
    },
    producer: (tensor) => {
      const made = new Map(nodes.flatMap((node) => node.output.map((name) => [name, node])));
      let node = made.get(tensor);
      while (reshaping.has(node?.opType ?? "")) node = made.get(node?.input[0] ?? "");
      return node?.opType;
    },
    finish: () => {
      const { usedNodes, usedNames } = withoutUnused(nodes, outputs);
      const usedHeld = held.filter(({ name }) => usedNames.has(name));
      // TensorFlow does not hold callers to the shapes of a signature, and here nothing depends on them.
      if (usedNodes.every(({ opType = "" }) => elementwise.has(opType))) {
        for (const value of [...inputs, ...outputs]) forgetShape(value);
      }
      const model = modelBytes({ nodes: usedNodes, held: usedHeld, inputs, outputs }, maxBytes);
      const parameterCount = usedHeld
        .filter(({ tensor: { dtype } }) => /^(FP|BF)/.test(dtype))
        .reduce((sum, { tensor }) => sum + elementCount(tensor.shape), 0);
      return { model, nodeCount: usedNodes.length, parameterCount };
    },
  };
  return graph;
}

/** Nodes that compute each element by itself, whatever the shape. */
const elementwise: ReadonlySet<string> = new Set(
  (
    "Abs Add And Cast Clip Div Elu Equal Erf Exp Floor Greater GreaterOrEqual Identity LeakyRelu Less LessOrEqual Log " +
    "Max Min Mul Neg Not Or Pow Reciprocal Relu Selu Sigmoid Sign Softplus Softsign Sqrt Sub Sum Tanh Where"
  ).split(" "),
);

/** Nodes that change the shape of a tensor, and none of its elements. */
const reshaping: ReadonlySet<string> = new Set([
  "Identity",
  "Reshape",
  "Squeeze",
  "Transpose",
  "Unsqueeze",
]);

function forgetShape({ type }: ValueInfoProto): void {
  if (type?.value.case === "tensorType") delete type.value.value.shape;
}

function withoutUnused(nodes: readonly NodeProto[], outputs: readonly ValueInfoProto[]) {
  const usedNames = new Set(outputs.map(({ name }) => name));
  // Nodes are in the order of their evaluation: what one needs is before it.
  const usedNodes = nodes
    .toReversed()
    .filter(({ output, input }) => {
      const isUsed = output.some((name) => usedNames.has(name));
      if (isUsed) for (const name of input) usedNames.add(name);
      return isUsed;
    })
    .toReversed();
  return { usedNodes, usedNames };
}

function nodeProto(
  opType: string,
  input: readonly string[],
  output: readonly string[],
  attributes: OnnxAttributes,
): NodeProto {
  const attribute = Object.entries(attributes).map(([name, value]) => attributeProto(name, value));
  const name = output[0] ?? opType;
  return create(NodeProtoSchema, {
    opType,
    name,
    input: [...input],
    output: [...output],
    attribute,
  });
}

function attributeProto(name: string, value: OnnxAttribute): AttributeProto {
  const of = (init: object) => create(AttributeProtoSchema, { name, ...init });
  if (typeof value === "number") return of({ type: AttributeType.INT, i: BigInt(value) });
  if ("float" in value) return of({ type: AttributeType.FLOAT, f: value.float });
  if ("text" in value) {
    return of({ type: AttributeType.STRING, s: new TextEncoder().encode(value.text) });
  }
  return of({ type: AttributeType.INTS, ints: value.map(BigInt) });
}

function valueInfo(name: string, { dtype, shape }: TensorInfo): ValueInfoProto {
  const elemType = onnxDataType(dtype);
  if (elemType === undefined) {
    throw new SavedModelError(
      "unsupported",
      `tensor ${name} is ${dtype}, which ONNX does not have`,
    );
  }
  const dim = shape?.map((extent, axis) =>
    extent >= 0
      ? { value: { case: "dimValue" as const, value: BigInt(extent) } }
      : { value: { case: "dimParam" as const, value: axis === 0 ? "batch" : `${name}_${axis}` } },
  );
  const value = { elemType, ...(dim && { shape: { dim } }) };
  return create(ValueInfoProtoSchema, { name, type: { value: { case: "tensorType", value } } });
}
