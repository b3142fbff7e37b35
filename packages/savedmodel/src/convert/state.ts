import type { NodeDef } from "@tensorgate/proto/tensorflow/graph";
import { attributeFunction } from "../read/attributes.ts";
import { type Body, type GraphIndex, isControlInput, tensorPlace } from "../read/graph-index.ts";
import type { StoredModel } from "../read/read-model.ts";
import { SavedModelError } from "../saved-model-error.ts";

/** Operators that change a variable, a table or a queue. */
const changes =
  /^(Assign|AssignAdd|AssignSub|Assign\w*VariableOp|Scatter\w+|ResourceScatter\w+|Resource\w*Apply\w+|CountUpTo|\w*Enqueue\w*|\w*Dequeue\w*|Lookup\w*(Insert|Import)\w*)$/;
const functionAttributes = ["f", "then_branch", "else_branch", "body", "cond"];

/**
 * Refuses models whose answers depend on earlier calls: a call of any of their signatures changes a variable. What only
 * restores or initializes is none of them.
 *
 * @throws SavedModelError
 */
export function assertStateless(
  model: StoredModel,
  index: GraphIndex,
  outputs: readonly string[],
): void {
  const seen = new Set<NodeDef>();
  const bodies = new Set<Body>();
  visit(index.main, outputs, "a call");
  for (const [name, signature] of model.signatures) {
    // Signatures that classify and regress are of the same graph.
    const tensors = [...signature.outputs.values()].map(({ graphName = "" }) => graphName);
    if (name !== "__saved_model_init_op") visit(index.main, tensors, `signature ${name}`);
  }

  function visit(body: Body, from: readonly string[], by: string): void {
    const waiting: { readonly body: Body; readonly tensor: string }[] = from.map((tensor) => ({
      body,
      tensor,
    }));
    for (let next = waiting.pop(); next; next = waiting.pop()) {
      const { body: within, tensor } = next;
      const name = tensorPlace(isControlInput(tensor) ? tensor.slice(1) : tensor, within).name;
      const node = within.nodes.get(name);
      if (!node || seen.has(node)) continue;
      seen.add(node);
      if (changes.test(node.op)) {
        throw new SavedModelError(
          "stateful",
          `the model keeps state: ${by} runs ${node.op} (node ${node.name}), so that answers depend on earlier calls`,
        );
      }
      for (const input of node.input) waiting.push({ body: within, tensor: input });
      for (const attribute of functionAttributes) {
        const functionName = attributeFunction(node, attribute);
        const called = functionName === "" ? undefined : index.function(functionName);
        if (!called || bodies.has(called)) continue;
        bodies.add(called);
        const ends = [...called.returns, ...called.controlReturns.map((end) => `^${end}`)];
        for (const end of ends) waiting.push({ body: called, tensor: end });
      }
    }
  }
}
