import type { DType } from "@tensorgate/core";
import { type DeclaredValue, declaredValue } from "../onnx/declared-value.ts";
import { readModelOutline } from "../onnx/model-outline.ts";
import { dtypeFromOrtType, ortTypeFromDType } from "./ort-types.ts";
import type { EngineValue } from "./session-worker.ts";

/** Names and types of a model's inputs and outputs. */
export interface ModelSignature {
  readonly inputs: readonly ModelValue[];
  readonly outputs: readonly ModelValue[];
}

export interface ModelValue {
  readonly name: string;
  /** Undefined for what cannot be in a request or a response: maps, sequences, tensors of some types. */
  readonly dtype: DType | undefined;
  /** -1 for an open extent; undefined for an unknown rank. */
  readonly shape: readonly number[] | undefined;
  /** For messages: "a float32 tensor", "a sequence of maps". */
  readonly typeText: string;
}

/** Joins what the engine says of a model with what its file declares. */
export function modelSignature(
  modelFile: string,
  { inputs, outputs }: Readonly<Record<keyof ModelSignature, readonly EngineValue[]>>,
): ModelSignature {
  const declared = declaredValues(modelFile);
  const described = (value: EngineValue) => modelValue(value, declared.get(value.name));
  return { inputs: inputs.map(described), outputs: outputs.map(described) };
}

/** The engine infers shapes that the file leaves out, but has no word for an unknown rank: it gives no extents. */
function modelValue(
  { name, type, extents }: EngineValue,
  declared: DeclaredValue | undefined,
): ModelValue {
  if (type === undefined) {
    const typeText = declared?.typeText ?? "a value that is not a tensor";
    return { name, dtype: undefined, shape: undefined, typeText };
  }
  const isRanked = extents.length > 0 || declared?.shape !== undefined;
  const typeText = declared?.typeText ?? `${type}`;
  return { name, dtype: dtypeFromOrtType(type), shape: isRanked ? extents : undefined, typeText };
}

/** Empty for a file that only the engine can read: what it reports of the model is enough to serve it. */
function declaredValues(modelFile: string): ReadonlyMap<string, DeclaredValue> {
  try {
    const { graph } = readModelOutline(modelFile);
    const all = [...(graph?.input ?? []), ...(graph?.output ?? [])].map(declaredValue);
    return new Map(all.map((value) => [value.name, value]));
  } catch {
    return new Map();
  }
}

/** Says why a model cannot be opened: by its file where that tells it, or else in the engine's words. */
export function openFailure(modelFile: string, engineText: string): string {
  let outline: ReturnType<typeof readModelOutline>;
  try {
    outline = readModelOutline(modelFile);
  } catch (cause) {
    return `the file is not a complete ONNX model: ${(cause as Error).message}`;
  }
  const { graph } = outline;
  if (!graph || graph.output.length === 0) return "the file is not an ONNX model: it has no graph";
  const faults = [
    ...unsupported("input", graph.input.map(declaredValue)),
    ...unsupported("output", graph.output.map(declaredValue)),
  ];
  if (faults.length === 0) return engineText;
  return `${faults.join(", and ")}, which ONNX Runtime for Node.js does not support`;
}

function unsupported(kind: string, values: readonly DeclaredValue[]): readonly string[] {
  const isSupported = (dtype: DType | undefined) =>
    dtype !== undefined && ortTypeFromDType(dtype) !== undefined;
  return values
    .filter(({ dtype, typeText }) => typeText.endsWith(" tensor") && !isSupported(dtype))
    .map(({ name, typeText }) => `${kind} "${name}" is ${typeText}`);
}
