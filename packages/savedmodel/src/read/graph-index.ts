import { cutText } from "@tensorgate/core";
import type { FunctionDef, GraphDef, NodeDef } from "@tensorgate/proto/tensorflow/graph";
import { SavedModelError } from "../saved-model-error.ts";

/** Nodes that are evaluated together: the graph, or the body of a function. */
export interface Body {
  /** Empty for the graph. */
  readonly name: string;
  readonly nodes: ReadonlyMap<string, NodeDef>;
  /** Names of the arguments, in order; none for the graph. */
  readonly argumentNames: readonly string[];
  /** For each output the tensor of the body; none for the graph. */
  readonly returns: readonly string[];
  /** Nodes that run whatever is asked for. */
  readonly controlReturns: readonly string[];
}

/** A graph, by names. */
export interface GraphIndex {
  readonly main: Body;
  /** @throws SavedModelError if the library has no such function */
  function(name: string): Body;
}

export function indexGraph({ node, library }: GraphDef): GraphIndex {
  const definitions = new Map(
    library?.function.map((definition) => [definition.signature?.name ?? "", definition]),
  );
  const bodies = new Map<string, Body>();
  return {
    main: {
      name: "",
      nodes: byName(node),
      argumentNames: [],
      returns: [],
      controlReturns: [],
    },
    function: (name) => {
      const known = bodies.get(name);
      if (known) return known;
      const definition = definitions.get(name);
      if (!definition) {
        throw new SavedModelError("unreadable", `the graph calls function ${name}, which it lacks`);
      }
      const body = bodyOf(name, definition);
      bodies.set(name, body);
      return body;
    },
  };
}

function bodyOf(name: string, { signature, nodeDef, ret, controlRet }: FunctionDef): Body {
  return {
    name,
    nodes: byName(nodeDef),
    argumentNames: signature?.inputArg.map((argument) => argument.name) ?? [],
    returns: signature?.outputArg.map((output) => ret[output.name] ?? "") ?? [],
    controlReturns: Object.values(controlRet),
  };
}

/** Longest name of a node, in characters: it is part of a key wherever a function is called. */
const maxNameChars = 1_024;

function byName(nodes: readonly NodeDef[]): ReadonlyMap<string, NodeDef> {
  const long = nodes.find(({ name }) => name.length > maxNameChars);
  if (long) {
    const text = `node ${cutText(long.name, 40)} has a name of more than ${maxNameChars} characters`;
    throw new SavedModelError("too-large", text);
  }
  return new Map(nodes.map((node) => [node.name, node]));
}

/** A tensor of a body: an output of a node, or an argument. */
export interface TensorPlace {
  /** Of the node, or of the argument. */
  readonly name: string;
  readonly output: number;
}

/** Outputs of operators that have several by different names; the outputs of others differ by number only. */
const outputNames: Readonly<Record<string, readonly string[]>> = {
  FusedBatchNorm: ["y", "batch_mean", "batch_variance", "reserve_space_1", "reserve_space_2"],
  Switch: ["output_false", "output_true"],
  Merge: ["output", "value_index"],
  TopKV2: ["values", "indices"],
  TopK: ["values", "indices"],
  TensorListPopBack: ["output_handle", "tensor"],
  TensorArrayV3: ["handle", "flow"],
};
const sameOutputs: Readonly<Record<string, string>> = {
  FusedBatchNormV2: "FusedBatchNorm",
  FusedBatchNormV3: "FusedBatchNorm",
  RefSwitch: "Switch",
  RefMerge: "Merge",
};

/**
 * Reads the name of a tensor as inputs have it: `node` and `node:1` in graphs, `node:output:0` and an argument's name in
 * functions.
 */
export function tensorPlace(text: string, body: Body): TensorPlace {
  const [name = "", second, third] = text.split(":");
  if (second === undefined) return { name, output: 0 };
  if (third === undefined && /^\d+$/.test(second)) return { name, output: Number(second) };
  const op = body.nodes.get(name)?.op ?? "";
  const first = outputNames[sameOutputs[op] ?? op]?.indexOf(second) ?? 0;
  return { name, output: Math.max(0, first) + Number(third ?? 0) };
}

export function isControlInput(input: string): boolean {
  return input.startsWith("^");
}

/** The tensors that a node takes, without what it only waits for. */
export function dataInputs({ input }: NodeDef): readonly string[] {
  return input.filter((each) => !isControlInput(each));
}
