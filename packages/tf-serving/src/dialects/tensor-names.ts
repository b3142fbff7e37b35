import type {
  Dialect,
  DialectNames,
  ModelTensorNames,
  ResolvedModel,
  ScoreResponse,
  TensorNames,
} from "@tensorgate/core";

/**
 * The servers that answer `Predict`: stock TensorFlow Serving, and the two generations of FPGA containers, which
 * take raw tensor names (`azure-fpga`, 2019) or aliases (`azure-fpga-preview`, 2018) and hold a single model.
 */
export const servingDialects = ["tensorflow-serving", "azure-fpga", "azure-fpga-preview"] as const;

/** All model servers: those, and the ones of the Open Inference Protocol (Triton, MLServer, KServe, OpenVINO). */
export const dialects = [
  "tensorflow-serving",
  "azure-fpga",
  "azure-fpga-preview",
  "open-inference",
] as const;

/** Returns the names of a tensor with the same name in every dialect. */
export function identityNames(name: string): TensorNames {
  return aliasNames(name, { alias: name, raw: name });
}

/** Returns the names of a tensor with its graph name in `azure-fpga`, and an alias in the other dialects. */
export function aliasNames(
  name: string,
  { alias, raw }: { readonly alias: string; readonly raw: string },
): TensorNames {
  return {
    name,
    on: {
      "tensorflow-serving": alias,
      "azure-fpga": raw,
      "azure-fpga-preview": alias,
      "open-inference": alias,
    },
  };
}

/** Returns the wire names of a model's tensors in each dialect. */
export function namesByDialect(names: ModelTensorNames): Readonly<Record<Dialect, DialectNames>> {
  return {
    "tensorflow-serving": dialectNames(names, "tensorflow-serving"),
    "azure-fpga": dialectNames(names, "azure-fpga"),
    "azure-fpga-preview": dialectNames(names, "azure-fpga-preview"),
    "open-inference": dialectNames(names, "open-inference"),
  };
}

/** Returns the wire names of a model's tensors in `dialect`. */
export function dialectNames(
  { inputs, outputs }: ModelTensorNames,
  dialect: Dialect,
): DialectNames {
  return {
    inputs: wireNames(inputs, dialect),
    outputs: wireNames(outputs, dialect),
    canonicalOutputs: new Map(outputs.map(({ name, on }) => [on[dialect], name])),
    patterns: outputs.flatMap(({ pattern, name }) => (pattern ? [{ pattern, name }] : [])),
  };
}

/** Maps any name of a tensor to its wire name. Canonical names win, then the tensor that is listed first. */
function wireNames(tensors: readonly TensorNames[], dialect: Dialect): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const add = (name: string, wire: string) => {
    if (!found.has(name)) found.set(name, wire);
  };
  for (const { name, on } of tensors) add(name, on[dialect]);
  for (const { on } of tensors) for (const each of dialects) add(on[each], on[dialect]);
  return found;
}

/** Returns a response whose outputs have the names that a stock server of the model has for them. */
export function underServingNames(
  response: ScoreResponse,
  { wireNames }: Pick<ResolvedModel, "wireNames">,
): ScoreResponse {
  const names = wireNames["tensorflow-serving"].outputs;
  const outputs = [...response.outputs].map(
    ([name, tensor]) => [names.get(name) ?? name, tensor] as const,
  );
  return { ...response, outputs: new Map(outputs) };
}
