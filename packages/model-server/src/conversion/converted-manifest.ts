import { defaultSignatureName } from "@tensorgate/core";
import type { Conversion, ConvertedInput, ConvertedOutput } from "@tensorgate/savedmodel";
import type { Manifest, ManifestInput, ManifestOutput } from "../manifest.ts";

/** Describes a converted model as clients of the SavedModel know it: by the names of its signature and its graph. */
export function manifestFromConversion({
  inputs,
  outputs,
  signatureName,
}: Pick<Conversion, "inputs" | "outputs" | "signatureName">): Manifest {
  return {
    weights: "given",
    labels: [],
    signatures: {
      [signatureName ?? defaultSignatureName]: {
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
}: ConvertedInput): ManifestInput {
  if (!preprocessing) return { dtype, shape, tensor: name, graphName };
  return { dtype: "BYTES", shape: [-1], graphName, picture: { tensor: name, preprocessing } };
}
