import type { OutputHolds } from "@tensorgate/core";
import type { Family } from "@tensorgate/tf-serving";
import { type ManifestOutput, ModelFolderError } from "../manifest.ts";
import type { OnnxFacts, OnnxValue } from "./inspect-onnx.ts";

/** Outputs of a model by the names they are served under. */
export type ServedOutputs = Readonly<Record<string, ManifestOutput>>;

/**
 * What the outputs of an ONNX model hold: those of its family by name or by shape, or else the first with a row of
 * numbers is taken for scores.
 *
 * @param holds - of the scores, where it is known
 * @throws ModelFolderError if an output of the family is not found
 */
export function servedOutputs(
  { outputs }: OnnxFacts,
  family: Family | undefined,
  holds: "probabilities" | "logits",
): ServedOutputs {
  if (family) return outputsOfFamily(outputs, family);
  const scores = outputs.find(isRow);
  return Object.fromEntries(
    outputs.map((output) => [
      output.name,
      served(output, output === scores ? holds : isFeatures(output) ? "features" : "tensor"),
    ]),
  );
}

function served({ name, shape }: OnnxValue, holds: OutputHolds): ManifestOutput {
  return { dtype: "FP32", shape, tensor: name, holds };
}

const isRow = ({ dtype, shape }: OnnxValue) =>
  dtype === "FP32" && shape?.length === 2 && shape[1] !== 1;

const isFeatures = ({ name, dtype }: OnnxValue) =>
  dtype === "FP32" && /feature|embed|pool/i.test(name);

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
