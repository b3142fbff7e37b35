import { cutText } from "@tensorgate/core";
import type { NodeDef } from "@tensorgate/proto/tensorflow/graph";
import type { Body } from "../read/graph-index.ts";
import { dataInputs, tensorPlace } from "../read/graph-index.ts";
import { SavedModelError, type UnsupportedOperator } from "../saved-model-error.ts";
import { type OpHandler, refuse, UnsupportedError } from "./op-call.ts";
import type { TensorTools } from "./tensor-tools.ts";
import { dead, poison, type Value } from "./value.ts";

/** A body as it runs in one place: for functions once for each call. */
export interface Frame {
  readonly body: Body;
  /** For names in ONNX: the nodes of the calls that lead here. */
  readonly path: string;
  readonly depth: number;
  /** What the arguments are where it is called. */
  readonly arguments: ReadonlyMap<string, TensorRef>;
  /** Values that are known, by the names of their tensors. */
  readonly values: Map<string, Value>;
}

/** A tensor by its name in a frame. */
export interface TensorRef {
  readonly frame: Frame;
  readonly tensor: string;
}

/**
 * Evaluates a node: yields the tensors that it needs, one by one, and gets their values. So only what is needed is
 * evaluated, and chains of any length need no stack.
 */
export type Evaluation = Generator<TensorRef, readonly Value[], Value>;

/**
 * Evaluates one output of a node in its own way, such as a call of a function.
 *
 * @returns a list with that output at its place
 */
export type SpecialOp = (node: NodeDef, frame: Frame, output: number) => Evaluation;

export interface EvaluatorDeps {
  readonly tools: TensorTools;
  readonly handlers: ReadonlyMap<string, OpHandler>;
  readonly specials: ReadonlyMap<string, SpecialOp>;
  /** Handlers for nodes that take a picture of a loop. */
  readonly pictureHandlers: ReadonlyMap<string, OpHandler>;
  readonly maxNodes: number;
  /** Called after each few hundred nodes; may wait or throw. */
  readonly onPause: (nodeCount: number) => Promise<void>;
}

export interface Evaluator {
  value(ref: TensorRef): Promise<Value>;
  /** What was met so far that has no conversion. */
  readonly unsupported: readonly UnsupportedOperator[];
}

/** A node that is being evaluated. */
interface Running {
  readonly key: string;
  readonly frame: Frame;
  /** Undefined for an argument. */
  readonly node: NodeDef | undefined;
  readonly name: string;
  readonly output: number;
  readonly evaluation: Evaluation;
}

const pauseEvery = 256;

export function createEvaluator(deps: EvaluatorDeps): Evaluator {
  const { maxNodes, onPause } = deps;
  const faults = new Map<string, { op: string; reason: string; nodes: string[] }>();
  let nodeCount = 0;

  function begin({ frame, tensor }: TensorRef, open: Set<string>): Running | Value {
    const { name, output } = tensorPlace(tensor, frame.body);
    const known = frame.values.get(`${name}:${output}`);
    if (known) return known;
    nodeCount += 1;
    if (nodeCount > maxNodes) {
      throw new SavedModelError("too-large", `the outputs need more than ${maxNodes} nodes`);
    }
    const node = frame.body.nodes.get(name);
    const special = deps.specials.get(node?.op ?? "");
    // Some operators evaluate their outputs one by one: one may depend on another.
    const key = `${frame.path}${frame.body.name} ${name}${special ? `:${output}` : ""}`;
    if (open.has(key)) throw new SavedModelError("unreadable", `node ${name} depends on itself`);
    open.add(key);
    const evaluation = node ? evaluationOf(node, frame, output) : argument(name, frame);
    return { key, frame, node, name, output, evaluation };
  }

  /** Begins with the first step, so that whatever is thrown is noted with the node. */
  function* evaluationOf(node: NodeDef, frame: Frame, output: number): Evaluation {
    const special = deps.specials.get(node.op);
    return yield* special ? special(node, frame, output) : ordinary(node, frame);
  }

  /** What an argument is where the function is called. */
  function* argument(name: string, frame: Frame): Evaluation {
    const given = frame.arguments.get(name);
    if (given) return [yield given];
    const missing = cutText(name, 200);
    throw new SavedModelError("unreadable", `the graph has no node ${missing}, which others take`);
  }

  function* ordinary(node: NodeDef, frame: Frame): Evaluation {
    const handler = deps.handlers.get(node.op);
    const inputs: Value[] = [];
    for (const tensor of dataInputs(node)) inputs.push(yield { frame, tensor });
    if (inputs.includes(dead)) return allOf(dead);
    const picture = inputs.some(({ kind }) => kind === "picture");
    const used = picture ? deps.pictureHandlers.get(node.op) : handler;
    if (!used) {
      return refuse(
        picture ? "it has no meaning for the preprocessing of a picture" : noConversion,
      );
    }
    if (inputs.includes(poison)) return allOf(poison);
    deps.tools.graph.name(frame.path + node.name);
    const made = used({ node, inputs, tools: deps.tools });
    return Array.isArray(made) ? made : [made as Value];
  }

  /** Goes on with a node. One without a conversion is noted, and the others are evaluated all the same. */
  function proceed(
    { evaluation, node, frame }: Running,
    value: Value,
  ): ReturnType<Evaluation["next"]> {
    try {
      return evaluation.next(value);
    } catch (thrown) {
      if (!(thrown instanceof UnsupportedError) || !node) throw thrown;
      return { done: true, value: note(node, frame, thrown.message) };
    }
  }

  function note({ op, name }: NodeDef, { path }: Frame, reason: string): readonly Value[] {
    const key = `${op} ${reason}`;
    const fault = faults.get(key) ?? { op, reason, nodes: [] };
    faults.set(key, fault);
    fault.nodes.push(path + name);
    return allOf(poison);
  }

  return {
    get unsupported() {
      return [...faults.values()];
    },
    value: async (wanted) => {
      const open = new Set<string>();
      const stack: Running[] = [];
      let next: TensorRef | undefined = wanted;
      let value: Value = poison;
      for (let step = 1; ; step += 1) {
        if (step % pauseEvery === 0) await onPause(nodeCount);
        if (next) {
          const begun = begin(next, open);
          if ("kind" in begun) value = begun;
          else stack.push(begun);
        }
        const top = stack.at(-1);
        if (!top) return value;
        const { done, value: given } = proceed(top, value);
        next = done ? undefined : (given as TensorRef);
        if (!done) continue;
        stack.pop();
        open.delete(top.key);
        value = store(top, given as readonly Value[]);
      }
    },
  };
}

/** Keeps the outputs of a node. @returns the one that was asked for */
function store({ frame, name, output, node }: Running, outputs: readonly Value[]): Value {
  const [first] = outputs;
  const isOfAll = first?.kind === "poison" || first?.kind === "dead";
  const wanted = isOfAll ? first : outputs[output];
  if (!wanted) {
    throw new SavedModelError(
      "unsupported",
      `output ${output} of ${node?.op} ${name} has no conversion`,
    );
  }
  outputs.forEach((each, index) => {
    if (each) frame.values.set(`${name}:${index}`, each);
  });
  frame.values.set(`${name}:${output}`, wanted);
  return wanted;
}

const noConversion = "it has no conversion";
const allOf = (value: Value): readonly Value[] => [value];
