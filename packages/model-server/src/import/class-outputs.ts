import { isFloat, type OutputHolds } from "@tensorgate/core";
import type { Family } from "@tensorgate/tf-serving";
import { type ManifestOutput, ModelFolderError } from "../manifest.ts";
import type { OnnxModelInfo, OnnxValue } from "./inspect-onnx.ts";

/** Outputs of a model by the names they are served under. */
export type ServedOutputs = Readonly<Record<string, ManifestOutput>>;

/** What is known of the scores of a model. */
export interface ScoreOptions {
  readonly holds: "probabilities" | "logits";
  /** Class names that are listed; with two of them one score is enough. */
  readonly labelCount: number;
}

/**
 * What the outputs of an ONNX model hold: those of its family by name or by shape, or else the first with a row of
 * numbers is taken for scores. Outputs that a response cannot carry are left out.
 *
 * @throws ModelFolderError if an output of the family is not found
 */
export function servedOutputs(
  facts: OnnxModelInfo,
  family: Family | undefined,
  { holds, labelCount }: ScoreOptions,
): ServedOutputs {
  const outputs = facts.outputs.filter(({ dtype }) => dtype !== undefined);
  if (family) return outputsOfFamily(outputs, family);
  const scores = outputs.find(isRow) ?? (labelCount === 2 ? outputs.find(isColumn) : undefined);
  return Object.fromEntries(
    outputs.map((output) => [
      output.name,
      served(output, output === scores ? holds : isFeatures(output) ? "features" : "tensor"),
    ]),
  );
}

function served({ name, dtype = "FP32", shape }: OnnxValue, holds: OutputHolds): ManifestOutput {
  return { dtype, shape, tensor: name, holds };
}

const isRow = ({ dtype, shape }: OnnxValue) =>
  isFloatOutput(dtype) && shape?.length === 2 && shape[1] !== 1;

/** One number for each picture, as a sigmoid gives it. */
const isColumn = ({ dtype, shape }: OnnxValue) =>
  isFloatOutput(dtype) && (shape?.length === 1 || (shape?.length === 2 && shape[1] === 1));

const isFeatures = ({ name, dtype }: OnnxValue) =>
  isFloatOutput(dtype) && /feature|embed|pool/i.test(name);

const isFloatOutput = (dtype: OnnxValue["dtype"]) => dtype !== undefined && isFloat(dtype);

function outputsOfFamily(outputs: readonly OnnxValue[], family: Family): ServedOutputs {
  const found = family.outputs.flatMap(
    (expected): readonly (readonly [string, ManifestOutput])[] => {
      const { name, on, pattern, shape, holds } = expected;
      const names = [name, ...Object.values(on)];
      const byName = outputs.find(
        (output) => names.includes(output.name) || pattern?.test(output.name),
      );
      const output = byName ?? outputs.find((each) => fits(each.shape, shape));
      if (output) return [[on["tensorflow-serving"], served(output, holds)]];
      // Features are a bonus; without the rest the family cannot do what it is for.
      if (holds === "features") return [];
      throw new ModelFolderError(
        `${family.title} gives ${name} [${shape.join(", ")}], which is none of ${outputs.map((each) => `"${each.name}" [${each.shape?.join(", ")}]`).join(", ")}`,
      );
    },
  );
  return Object.fromEntries(found);
}

/** Whether shapes agree but for the batch, and for open extents. */
function fits(shape: readonly number[] | undefined, expected: readonly number[]): boolean {
  const last = expected.at(-1);
  // 1001 classes are the thousand with a background.
  const isClasses = (extent: number | undefined) => last === 1_000 && extent === 1_001;
  return (
    shape?.length === expected.length &&
    shape.every(
      (extent, axis) =>
        axis === 0 || extent === -1 || extent === expected[axis] || isClasses(extent),
    )
  );
}
