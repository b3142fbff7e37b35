import type { NodeDef } from "@tensorgate/proto/tensorflow/graph";
import { createTensorBudget } from "@tensorgate/tf-serving";
import { attributeFunction, attributeTensor } from "../read/attributes.ts";
import {
  type Body,
  dataInputs,
  type GraphIndex,
  isControlInput,
  tensorPlace,
} from "../read/graph-index.ts";

/** A body that is called, and what its arguments are where it is called. */
interface Call {
  readonly body: Body;
  readonly caller: Call | undefined;
  readonly inputs: readonly string[];
}

const callOps = new Set(["PartitionedCall", "StatefulPartitionedCall"]);
const assignOps = new Set(["Assign", "AssignVariableOp"]);
const maxDepth = 16;

/**
 * Finds which tensor of a checkpoint is which variable, in the part of the graph that restores it: `RestoreV2` has the
 * names of the checkpoint, `Assign` the variables. Names of variables need not be those of the checkpoint.
 *
 * @param restoreOp - name of the node that restores everything
 * @returns for the node of each variable the key in the checkpoint
 */
export function restoredKeys(index: GraphIndex, restoreOp: string): ReadonlyMap<string, string> {
  const keys = new Map<string, string>();
  const main: Call = { body: index.main, caller: undefined, inputs: [] };
  const restore = index.main.nodes.get(tensorPlace(restoreOp, index.main).name);
  if (restore) visit(main, [restore], 0);
  return keys;

  function visit(call: Call, from: Iterable<NodeDef>, depth: number): void {
    const waiting = [...from];
    const seen = new Set(waiting);
    for (let node = waiting.pop(); node; node = waiting.pop()) {
      if (assignOps.has(node.op)) addKey(call, node);
      else if (callOps.has(node.op) && depth < maxDepth) {
        const body = index.function(attributeFunction(node, "f"));
        const called: Call = { body, caller: call, inputs: dataInputs(node) };
        visit(called, body.nodes.values(), depth + 1);
      }
      for (const input of node.input) {
        const name = tensorPlace(isControlInput(input) ? input.slice(1) : input, call.body).name;
        const next = call.body.nodes.get(name);
        if (next && !seen.has(next)) {
          seen.add(next);
          waiting.push(next);
        }
      }
    }
  }

  function addKey(call: Call, assign: NodeDef): void {
    const [target = "", value = ""] = dataInputs(assign);
    const variable = source(call, target);
    const restored = source(call, value);
    if (!variable || restored?.node.op !== "RestoreV2") return;
    const names = source(restored.call, dataInputs(restored.node)[1] ?? "");
    const tensor = names && attributeTensor(names.node, "value", createTensorBudget());
    if (tensor?.dtype !== "BYTES") return;
    const key = tensor.elements[restored.output];
    if (key) keys.set(variable.node.name, Buffer.from(key).toString("utf8"));
  }
}

interface Source {
  readonly call: Call;
  readonly node: NodeDef;
  readonly output: number;
}

/** Follows a tensor back through arguments and nodes that only hand it on. */
function source(call: Call, text: string): Source | undefined {
  let [at, tensor]: [Call | undefined, string] = [call, text];
  for (let step = 0; at && step < 1_000; step += 1) {
    const { name, output } = tensorPlace(tensor, at.body);
    const node = at.body.nodes.get(name);
    if (!node) {
      tensor = at.inputs[at.body.argumentNames.indexOf(name)] ?? "";
      at = at.caller;
    } else if (node.op === "Identity" || node.op === "Cast") tensor = dataInputs(node)[0] ?? "";
    else return { call: at, node, output };
  }
  return undefined;
}
