import { bytesTensor, defaultSignatureName, type Signature, type Tensor } from "@tensorgate/core";
import { SignatureDefSchema } from "@tensorgate/proto/tensorflow/framework";
import { invalidArgument, servingErrors } from "../serving-error.ts";
import { signatureDefFromSignature } from "../signature-def.ts";
import { messageText } from "../text-format/message-text.ts";

/** The two kinds of result that examples are scored for, by the names of their methods in signatures. */
export const exampleMethods = {
  classify: "tensorflow/serving/classify",
  regress: "tensorflow/serving/regress",
} as const;

export type ExampleMethod = keyof typeof exampleMethods;

/** Names of tensors that a signature for examples must have. */
const tensorNames = { input: "inputs", classes: "classes", scores: "scores", values: "outputs" };

/**
 * Checks that a signature can be called with examples, as TensorFlow Serving does: by its tensors, whatever its method.
 *
 * @returns the outputs that the result is made of
 * @throws ServingError INVALID_ARGUMENT with the original's text
 */
export function exampleOutputs(method: ExampleMethod, signature: Signature): readonly string[] {
  return method === "classify" ? classifierOutputs(signature) : regressorOutputs(signature);
}

function classifierOutputs(signature: Signature): readonly string[] {
  const { inputs, outputs } = signature;
  if (inputs.size !== 1) throw invalidArgument("Expected one input Tensor.");
  if (outputs.size !== 1 && outputs.size !== 2) {
    throw invalidArgument(`Expected one or two output Tensors, found ${outputs.size}`);
  }
  if (!inputs.has(tensorNames.input)) {
    throw withDump("No classification inputs found in SignatureDef: ", signature);
  }
  const found = [tensorNames.classes, tensorNames.scores].filter((name) => outputs.has(name));
  if (found.length > 0) return found;
  throw withDump(
    'Expected classification signature outputs to contain at least one of "classes" or "scores". Signature was: ',
    signature,
  );
}

function regressorOutputs(signature: Signature): readonly string[] {
  const { inputs, outputs } = signature;
  if (inputs.size !== 1) throw invalidArgument("Expected one input Tensor.");
  if (outputs.size !== 1) throw invalidArgument("Expected one output Tensor.");
  if (!inputs.has(tensorNames.input)) {
    throw withDump("No regression inputs found in SignatureDef: ", signature);
  }
  if (outputs.has(tensorNames.values)) return [tensorNames.values];
  throw withDump("No regression outputs found in SignatureDef: ", signature);
}

function withDump(text: string, signature: Signature) {
  return invalidArgument(
    text + messageText(SignatureDefSchema, signatureDefFromSignature(signature)),
  );
}

/**
 * Returns the one input of a signature for examples.
 *
 * @param examples - serialized, N of them
 * @returns a tensor of strings of shape [N], by its name
 * @throws ServingError INVALID_ARGUMENT if there is no example
 */
export function exampleInputs(examples: readonly Uint8Array[]): ReadonlyMap<string, Tensor> {
  if (examples.length === 0) throw servingErrors.noExamples();
  return new Map([[tensorNames.input, bytesTensor([examples.length], examples)]]);
}

/** Finds the signature of a call with examples. @throws ServingError INVALID_ARGUMENT */
export function exampleSignature(
  signatures: ReadonlyMap<string, Signature>,
  name: string | undefined,
): Signature {
  const known = signatures.get(name || defaultSignatureName);
  if (known) return known;
  throw servingErrors.noExampleSignature(name || defaultSignatureName);
}
