import type { NodeDef } from "@tensorgate/proto/tensorflow/graph";
import { attributeFunction } from "../read/attributes.ts";
import {
  dataInputs,
  type GraphIndex,
  isControlInput,
  type TensorPlace,
  tensorPlace,
} from "../read/graph-index.ts";
import { SavedModelError } from "../saved-model-error.ts";
import type { Evaluation, Frame, SpecialOp } from "./evaluator.ts";
import { numbersOf } from "./numbers.ts";
import { UnsupportedError } from "./op-call.ts";
import type { TensorTools } from "./tensor-tools.ts";
import { dead, type Layout, type TensorValue, type Value } from "./value.ts";

export interface ControlFlowDeps {
  readonly index: GraphIndex;
  readonly tools: TensorTools;
  readonly maxDepth: number;
}

/** Longest path of calls that names in ONNX begin with, in characters; longer ones are numbered. */
const maxPathChars = 1_024;

/** Calls of functions and conditions of both generations. */
export function controlFlow(deps: ControlFlowDeps): ReadonlyMap<string, SpecialOp> {
  const { index, tools, maxDepth } = deps;
  const frames = new Map<string, Frame>();

  /** Enters a function. The same call is one frame for all of its outputs. */
  function enter(node: NodeDef, frame: Frame, call: Entered): Frame {
    const { functionName, inputs } = call;
    const key = `${frame.path}${node.name} ${functionName}`;
    const known = frames.get(key);
    if (known) return known;
    if (frame.depth >= maxDepth) {
      throw new SavedModelError("too-large", `functions are nested deeper than ${maxDepth} calls`);
    }
    const body = index.function(functionName);
    const path = `${frame.path}${node.name}/`;
    const entered: Frame = {
      body,
      // No node has a name with this sign.
      path: path.length <= maxPathChars ? path : `#${frames.size}/`,
      depth: frame.depth + 1,
      arguments: new Map(
        body.argumentNames.map((name, at) => [name, { frame, tensor: inputs[at] ?? "" }]),
      ),
      values: new Map(),
    };
    frames.set(key, entered);
    return entered;
  }

  function* call(node: NodeDef, frame: Frame, output: number): Evaluation {
    const functionName = attributeFunction(node, "f");
    const entered = enter(node, frame, { functionName, inputs: dataInputs(node) });
    return at(output, yield { frame: entered, tensor: returned(entered, output) });
  }

  function* condition(node: NodeDef, frame: Frame, output: number): Evaluation {
    const [test = "", ...inputs] = dataInputs(node);
    const predicate = yield* only(frame, test);
    const branch = (name: "then_branch" | "else_branch") => {
      const functionName = attributeFunction(node, name);
      const entered = enter(node, frame, { functionName, inputs });
      return { frame: entered, tensor: returned(entered, output) };
    };
    const isTaken = truth(predicate);
    if (isTaken !== undefined) {
      return at(output, yield branch(isTaken ? "then_branch" : "else_branch"));
    }
    const [taken, other] = [yield branch("then_branch"), yield branch("else_branch")];
    return at(output, chosen(tools, { predicate, taken, other }));
  }

  function* switched(node: NodeDef, frame: Frame, output: number): Evaluation {
    const [data = "", test = ""] = dataInputs(node);
    const isTaken = truth(yield* only(frame, test));
    if (isTaken !== undefined && isTaken !== (output === 1)) return at(output, dead);
    return at(output, yield { frame, tensor: data });
  }

  function* merged(node: NodeDef, frame: Frame, output: number): Evaluation {
    if (output !== 0) throw new UnsupportedError("which branch was taken is asked for");
    const alive: { readonly tensor: string; readonly value: Value }[] = [];
    for (const tensor of dataInputs(node)) {
      const value = yield { frame, tensor };
      if (value.kind !== "dead") alive.push({ tensor, value });
    }
    const [first, second] = alive;
    if (!first) return [dead];
    if (!second) return [first.value];
    const branches = alive.map(({ tensor }) => branchesOf(tensor, frame));
    for (const [test, side] of branches[0] ?? []) {
      if (branches[1]?.get(test) === side) continue;
      const predicate = yield* only(frame, test);
      const [taken, other] = side ? [first.value, second.value] : [second.value, first.value];
      return [chosen(tools, { predicate, taken, other })];
    }
    throw new UnsupportedError("its branches are not those of one condition");
  }

  function* oneByOne(node: NodeDef, frame: Frame, output: number): Evaluation {
    return at(output, yield { frame, tensor: dataInputs(node)[output] ?? "" });
  }

  return new Map<string, SpecialOp>([
    ["PartitionedCall", call],
    ["StatefulPartitionedCall", call],
    ["If", condition],
    ["StatelessIf", condition],
    ["Switch", switched],
    ["RefSwitch", switched],
    ["Merge", merged],
    ["RefMerge", merged],
    ["IdentityN", oneByOne],
  ]);
}

interface Entered {
  readonly functionName: string;
  readonly inputs: readonly string[];
}

function returned({ body }: Frame, output: number): string {
  const tensor = body.returns[output];
  if (tensor) return tensor;
  throw new SavedModelError("unreadable", `function ${body.name} has no output ${output}`);
}

/** A list with one output at its place. */
function at(output: number, value: Value): readonly Value[] {
  const values: Value[] = [];
  values[output] = value;
  return value.kind === "poison" || value.kind === "dead" ? [value] : values;
}

function* only(
  frame: Frame,
  tensor: string,
): Generator<{ frame: Frame; tensor: string }, Value, Value> {
  return yield { frame, tensor };
}

/** @returns undefined if a predicate is not constant */
function truth(predicate: Value): boolean | undefined {
  if (predicate.kind !== "tensor" || !predicate.constant) return undefined;
  const [value] = Array.from(numbersOf(predicate.constant) ?? []);
  return value === undefined ? undefined : value !== 0;
}

interface Choice {
  readonly predicate: Value;
  readonly taken: Value;
  readonly other: Value;
}

/** Both branches are computed, since none of them has an effect, and one is selected. */
function chosen(tools: TensorTools, { predicate, taken, other }: Choice): Value {
  const values = [predicate, taken, other];
  const unusable = values.find(({ kind }) => kind === "poison" || kind === "dead");
  if (unusable) return unusable;
  if (taken === other) return taken;
  const tensors = values.filter((value): value is TensorValue => value.kind === "tensor");
  const [test, a, b] = tensors;
  if (!test || !a || !b) throw new UnsupportedError("a condition of what is not a tensor");
  const shape = a.shape;
  if (!shape || String(shape) !== String(b.shape) || shape.includes(-1)) {
    throw new UnsupportedError("the shapes of the branches are not known to be equal");
  }
  const layout: Layout = a.layout;
  const names = [tools.plain(test), tools.nameIn(a, layout), tools.nameIn(b, layout)];
  return tools.made(tools.graph.op("Where", names), { dtype: a.dtype, shape, layout });
}

const switchOps = new Set(["Switch", "RefSwitch"]);
const maxWalk = 100_000;

/**
 * Finds in which branches of TensorFlow 1's conditions a tensor is computed, by the `Switch`es before it.
 *
 * @returns for the tensor of each predicate the side: true for "then"
 */
function branchesOf(tensor: string, { body }: Frame): ReadonlyMap<string, boolean> {
  const sides = new Map<string, Set<boolean>>();
  const beyond = new Map<string, string[]>();
  const seen = new Set<string>();
  const waiting = [tensor];
  const walk = () => {
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const place: TensorPlace = tensorPlace(isControlInput(next) ? next.slice(1) : next, body);
      const key = `${place.name}:${place.output}`;
      const node = body.nodes.get(place.name);
      if (!node || seen.has(key)) continue;
      seen.add(key);
      if (seen.size > maxWalk) throw new UnsupportedError("a condition over too many nodes");
      if (!switchOps.has(node.op)) {
        waiting.push(...node.input);
        continue;
      }
      const [data = "", test = ""] = dataInputs(node);
      sides.set(test, (sides.get(test) ?? new Set()).add(place.output === 1));
      beyond.set(test, [...(beyond.get(test) ?? []), data]);
    }
  };
  walk();
  // A condition whose both sides were met is inside of the branch, and ended by a Merge there: what is before it counts.
  for (let both = bothSides(sides); both !== undefined; both = bothSides(sides)) {
    sides.delete(both);
    waiting.push(both, ...(beyond.get(both) ?? []));
    walk();
  }
  return new Map([...sides].map(([test, side]) => [test, side.has(true)]));
}

function bothSides(sides: ReadonlyMap<string, ReadonlySet<boolean>>): string | undefined {
  for (const [test, side] of sides) if (side.size === 2) return test;
  return undefined;
}
