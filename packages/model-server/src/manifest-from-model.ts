import { type DType, defaultSignatureName } from "@tensorgate/core";
import { type Manifest, type ManifestInput, ModelFolderError } from "./manifest.ts";
import type { ModelSignature, ModelValue } from "./session/model-signature.ts";

/**
 * Describes a model that has no manifest: its own inputs and outputs are its signature. Outputs that a response cannot
 * carry are left out.
 *
 * @throws ModelFolderError if it has an input that no request can have, or no output that can be answered
 */
export function manifestFromModel({ inputs, outputs }: ModelSignature): Manifest {
  const signature = {
    inputs: Object.fromEntries(inputs.map((input) => [input.name, tensorInfo("input", input)])),
    outputs: Object.fromEntries(
      outputs
        .filter(isTensor)
        .map((output) => [
          output.name,
          { ...tensorInfo("output", output), holds: "tensor" as const },
        ]),
    ),
  };
  if (Object.keys(signature.outputs).length > 0) {
    return { weights: "given", labels: [], signatures: { [defaultSignatureName]: signature } };
  }
  const texts = outputs.map(({ name, typeText }) => `"${name}" is ${typeText}`);
  throw new ModelFolderError(
    `none of its outputs can be answered: ${texts.join(", ") || "it has none"}`,
  );
}

/** Names the outputs of a model that no response can carry. */
export function unansweredOutputs({ outputs }: ModelSignature): readonly string[] {
  return outputs
    .filter((output) => !isTensor(output))
    .map(({ name, typeText }) => `output "${name}" is ${typeText} and is left out`);
}

/**
 * Compares a manifest with the model that it is for.
 *
 * @throws ModelFolderError for a tensor that the model does not have, or an input of another type
 */
export function assertManifestFits(
  { signatures }: Manifest,
  { inputs, outputs }: ModelSignature,
): void {
  for (const signature of Object.values(signatures)) {
    for (const [alias, input] of Object.entries(signature.inputs)) {
      for (const { tensor, dtype } of tensorsFed(alias, input)) assertInput(tensor, dtype);
    }
    for (const [tensor, { dtype }] of Object.entries(signature.constants ?? {})) {
      assertInput(tensor, dtype);
    }
    for (const [alias, { tensor = alias }] of Object.entries(signature.outputs)) {
      tensorInfo("output", found("output", tensor, outputs));
    }
  }

  function assertInput(tensor: string, dtype: DType | undefined): void {
    const info = tensorInfo("input", found("input", tensor, inputs));
    if (dtype !== undefined) assertType(`input "${tensor}"`, dtype, info.dtype);
  }
}

/** Inputs of the ONNX model that an input of a signature feeds, and their types, where the manifest says them. */
function tensorsFed(
  alias: string,
  { dtype, tensor = alias, picture, examples }: ManifestInput,
): readonly { readonly tensor: string; readonly dtype: DType | undefined }[] {
  if (picture) return [{ tensor: picture.tensor, dtype: undefined }];
  if (!examples) return [{ tensor, dtype }];
  return Object.entries(examples).map(([name, feature]) => ({
    tensor: feature.tensor ?? name,
    dtype: feature.dtype,
  }));
}

function found(kind: string, name: string, values: readonly ModelValue[]): ModelValue {
  const value = values.find((each) => each.name === name);
  if (value) return value;
  const names = values.map((each) => `"${each.name}"`).join(", ");
  throw new ModelFolderError(
    `manifest.json names ${kind} "${name}", which the model does not have; it has ${names}`,
  );
}

function assertType(what: string, expected: string, actual: string): void {
  if (expected === actual) return;
  throw new ModelFolderError(`manifest.json says that ${what} is ${expected}; it is ${actual}`);
}

/** @throws ModelFolderError for what is not a tensor that can be sent */
function tensorInfo(kind: string, { name, dtype, shape, typeText }: ModelValue) {
  if (dtype !== undefined) return { dtype, shape };
  throw new ModelFolderError(`${kind} "${name}" is ${typeText}, which cannot be sent`);
}

const isTensor = ({ dtype }: ModelValue) => dtype !== undefined;
