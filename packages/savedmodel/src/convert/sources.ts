import type { Tensor } from "@tensorgate/core";
import type { NodeDef } from "@tensorgate/proto/tensorflow/graph";
import { createTensorBudget, type TensorBudget, TensorParsingError } from "@tensorgate/tf-serving";
import { type Bundle, openBundle } from "../checkpoint/bundle.ts";
import { restoredKeys } from "../checkpoint/restored-keys.ts";
import type { ConversionLimits } from "../limits.ts";
import { gather } from "../ops/joins.ts";
import { attributeTensor } from "../read/attributes.ts";
import type { GraphIndex } from "../read/graph-index.ts";
import type { StoredModel } from "../read/read-model.ts";
import { SavedModelError } from "../saved-model-error.ts";
import { type OpHandler, refuse } from "./op-call.ts";
import { constantValue, type TensorValue, type Value } from "./value.ts";

export interface SourcesDeps {
  readonly model: StoredModel;
  readonly index: GraphIndex;
  readonly limits: Pick<
    Required<ConversionLimits>,
    "maxElements" | "maxFoldedBytes" | "maxModelBytes"
  >;
}

/** Where values come from: constants, variables, and placeholders that nothing is fed to. */
export function sourceOps({
  model,
  index,
  limits,
}: SourcesDeps): readonly (readonly [string, OpHandler])[] {
  // Of values that are written out: a constant of ten bytes may ask for any number of them.
  const budget = createTensorBudget({
    maxElements: limits.maxElements,
    maxValueBytes: limits.maxFoldedBytes,
  });
  const constants = new Map<NodeDef, TensorValue>();
  const variables = new Map<string, TensorValue>();
  let checkpoint:
    | { readonly bundle: Bundle; readonly keys: ReadonlyMap<string, string> }
    | undefined;

  const constant: OpHandler = ({ node }) => {
    const known = constants.get(node) ?? constantValue(constantOf(node, budget));
    constants.set(node, known);
    return known;
  };

  function variable(name: string): TensorValue {
    const known = variables.get(name);
    if (known) return known;
    checkpoint ??= {
      bundle: openBundle(model.checkpointPrefix, limits.maxModelBytes),
      keys: restoredKeys(index, model.saver?.restoreOpName ?? ""),
    };
    const key = checkpoint.keys.get(name);
    const tensor = key === undefined ? undefined : checkpoint.bundle.read(key);
    if (!tensor) {
      const text =
        key === undefined ? "the graph does not restore it" : `the checkpoint has no ${key}`;
      throw new SavedModelError("unreadable", `variable ${name}: ${text}`);
    }
    const value = constantValue(tensor);
    variables.set(name, value);
    return value;
  }

  const reference: OpHandler = ({ node: { name } }) => ({ kind: "variable", node: name });
  const read: OpHandler = ({ inputs: [handle] }): Value =>
    handle?.kind === "variable" ? variable(handle.node) : refuse("of what is not a variable");

  return [
    ["Const", constant],
    ["VariableV2", ({ node }) => variable(node.name)],
    ["Variable", ({ node }) => variable(node.name)],
    ["VarHandleOp", reference],
    ["ReadVariableOp", read],
    [
      "ResourceGather",
      (call) => gather({ ...call, inputs: [read(call) as Value, ...call.inputs.slice(1)] }),
    ],
    ["Placeholder", () => refuse("it is not among the inputs; name it, or a tensor after it")],
  ];
}

function constantOf(node: NodeDef, budget: TensorBudget): Tensor {
  try {
    return attributeTensor(node, "value", budget) ?? refuse("without a value");
  } catch (cause) {
    if (!(cause instanceof TensorParsingError)) throw cause;
    throw new SavedModelError("unreadable", `constant ${node.name}: ${cause.message}`, { cause });
  }
}
