import { defaultSignatureName } from "@tensorgate/core";
import type {
  Conversion,
  ConvertedInput,
  ConvertedOutput,
  ExampleFeature,
} from "@tensorgate/savedmodel";
import { exampleMethods } from "@tensorgate/tf-serving";
import type { Manifest, ManifestFeature, ManifestInput, ManifestOutput } from "../manifest.ts";

/** Describes a converted model as clients of the SavedModel know it: by the names of its signature and its graph. */
export function manifestFromConversion({
  inputs,
  outputs,
  signatureName,
  methodName,
}: Pick<Conversion, "inputs" | "outputs" | "signatureName" | "methodName">): Manifest {
  const method = (["classify", "regress"] as const).find(
    (each) => methodName === exampleMethods[each],
  );
  return {
    weights: "given",
    labels: [],
    signatures: {
      [signatureName ?? defaultSignatureName]: {
        ...(method && { method }),
        inputs: Object.fromEntries(inputs.map((input) => [input.key, manifestInput(input)])),
        outputs: Object.fromEntries(outputs.map((output) => [output.key, manifestOutput(output)])),
      },
    },
  };
}

/** The softmax of a vector for each picture is taken for the scores of classes. */
function manifestOutput(output: ConvertedOutput): ManifestOutput {
  const { name: tensor, graphName, dtype, shape, isSoftmax } = output;
  const holds = isSoftmax && shape?.length === 2 ? "probabilities" : "tensor";
  return { dtype, shape, tensor, graphName, holds };
}

function manifestInput({
  name,
  graphName,
  dtype,
  shape,
  preprocessing,
  features,
}: ConvertedInput): ManifestInput {
  if (features) return { dtype, shape, graphName, examples: manifestFeatures(features) };
  if (!preprocessing) return { dtype, shape, tensor: name, graphName };
  return { dtype: "BYTES", shape: [-1], graphName, picture: { tensor: name, preprocessing } };
}

function manifestFeatures(
  features: readonly ExampleFeature[],
): Readonly<Record<string, ManifestFeature>> {
  return Object.fromEntries(
    features.map(({ name, default: values, ...feature }) => [
      name,
      { ...feature, ...(values && { default: values }) },
    ]),
  );
}
