import { defaultSignatureName } from "@tensorgate/core";
import type { Conversion, ConvertedInput } from "@tensorgate/savedmodel";
import type { Manifest, ManifestInput } from "../manifest.ts";

/** Describes a converted model as clients of the SavedModel know it: by the names of its signature and its graph. */
export function manifestFromConversion({ inputs, outputs, signatureName }: Conversion): Manifest {
  return {
    weights: "given",
    labels: [],
    signatures: {
      [signatureName ?? defaultSignatureName]: {
        inputs: Object.fromEntries(inputs.map((input) => [input.key, manifestInput(input)])),
        outputs: Object.fromEntries(
          outputs.map(({ key, name: tensor, graphName, dtype, shape }) => [
            key,
            { dtype, shape, tensor, graphName, holds: "tensor" as const },
          ]),
        ),
      },
    },
  };
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
