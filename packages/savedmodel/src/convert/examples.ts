import type { Tensor } from "@tensorgate/core";
import type { NodeDef } from "@tensorgate/proto/tensorflow/graph";
import { attributeDTypes, attributeInteger, attributeShapes } from "../read/attributes.ts";
import { dataInputs } from "../read/graph-index.ts";
import type { Evaluation, Frame, SpecialOp } from "./evaluator.ts";
import { numbersOf } from "./numbers.ts";
import { UnsupportedError } from "./op-call.ts";
import type { TensorTools } from "./tensor-tools.ts";
import type { Value } from "./value.ts";

/** A feature of `tensorflow.Example`s, whose values an input of the ONNX model takes. */
export interface ExampleFeature {
  readonly name: string;
  readonly dtype: "FP32" | "INT64";
  /** Of one example. */
  readonly shape: readonly number[];
  /** In the ONNX model: `[examples, …shape]`. */
  readonly tensor: string;
  /** For an example without the feature; undefined if it is required. */
  readonly default: readonly number[] | undefined;
}

/** Serialized examples that the graph parsed itself: the input of that name takes features now. */
export interface FoundFeature {
  /** Key of the input of serialized examples. */
  readonly input: string;
  readonly feature: ExampleFeature;
}

export interface ExampleParserDeps {
  readonly tools: TensorTools;
  readonly onFound: (found: FoundFeature) => void;
}

/** What a node says of its features: names and defaults are inputs of it, at different places in both versions. */
interface ParserInputs {
  /** Tensors with the names: one vector, or one tensor each. */
  readonly names: readonly string[];
  /** Tensors with the default of each feature. */
  readonly defaults: readonly string[];
  /** Outputs before those of dense features. */
  readonly before: number;
  /** Outputs of dense features. */
  readonly count: number;
}

const wayOut = "name the tensors after it as the inputs (--inputs), and send them as tensors";

/**
 * Replaces the parsing of examples by an input for each feature that is needed: servers parse the examples. Features of
 * a fixed size can be fed so, of numbers.
 */
export function exampleParsers({
  tools,
  onFound,
}: ExampleParserDeps): ReadonlyMap<string, SpecialOp> {
  function* feature(node: NodeDef, frame: Frame, output: number): Evaluation {
    const [serialized = ""] = dataInputs(node);
    const source = yield { frame, tensor: serialized };
    if (source.kind === "poison") return [source];
    if (source.kind !== "text" || source.isElement) {
      throw new UnsupportedError(`of what is not an input of serialized examples; ${wayOut}`);
    }
    const { names, defaults, before, count } = parserInputs(node);
    const at = output - before;
    if (at < 0 || at >= count) {
      throw new UnsupportedError(`a feature of varying size (sparse or ragged); ${wayOut}`);
    }
    const name = yield* textAt(frame, names, at);
    const dtype = attributeDTypes(node, "Tdense")[at];
    const shape = attributeShapes(node, "dense_shapes")[at];
    if (dtype !== "FP32" && dtype !== "INT64") {
      throw new UnsupportedError(`feature "${name}" is ${dtype ?? "of no known type"}; ${wayOut}`);
    }
    if (!shape || shape.some((extent) => extent < 0)) {
      throw new UnsupportedError(`feature "${name}" has no fixed size; ${wayOut}`);
    }
    const given = yield { frame, tensor: defaults[at] ?? "" };
    const values = given.kind === "tensor" && given.constant && numbersOf(given.constant);
    if (!values) throw new UnsupportedError(`the default of feature "${name}" is not constant`);
    const info = { dtype, shape: [-1, ...shape] } as const;
    const tensor = tools.graph.input(name, info);
    const byDefault = values.length === 0 ? undefined : Array.from(values);
    onFound({
      input: source.input,
      feature: { name, dtype, shape, tensor, default: byDefault },
    });
    const made: Value[] = [];
    made[output] = tools.made(tensor, info);
    return made;
  }

  return new Map<string, SpecialOp>([
    ["ParseExample", feature],
    ["ParseExampleV2", feature],
  ]);
}

/** @see tensorflow/core/ops/parsing_ops.cc */
function parserInputs(node: NodeDef): ParserInputs {
  const inputs = dataInputs(node);
  if (node.op === "ParseExample") {
    const [sparse, dense] = ["Nsparse", "Ndense"].map((name) =>
      attributeInteger(node, name, 0),
    ) as [number, number];
    const keys = 2 + sparse;
    return {
      names: inputs.slice(keys, keys + dense),
      defaults: inputs.slice(keys + dense),
      before: 3 * sparse,
      count: dense,
    };
  }
  return {
    names: inputs.slice(3, 4),
    defaults: inputs.slice(5),
    before: 3 * attributeInteger(node, "num_sparse", 0),
    count: inputs.length - 5,
  };
}

/** Evaluates the name of a feature: an element of the only tensor, or the first of its elements. */
function* textAt(
  frame: Frame,
  tensors: readonly string[],
  at: number,
): Generator<{ frame: Frame; tensor: string }, string, Value> {
  const isOfAll = tensors.length === 1;
  const value = yield { frame, tensor: tensors[isOfAll ? 0 : at] ?? "" };
  const constant: Tensor | undefined = value.kind === "tensor" ? value.constant : undefined;
  const element = constant?.dtype === "BYTES" ? constant.elements[isOfAll ? at : 0] : undefined;
  if (element === undefined)
    throw new UnsupportedError("the names of its features are not constant");
  return Buffer.from(element).toString("utf8");
}
