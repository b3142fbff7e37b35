import type { Dialect, DialectNames, ModelTensorNames, TensorNames } from "@tensorgate/core";

/**
 * The servers that answer `Predict`: stock TensorFlow Serving, and the two generations of FPGA containers, which
 * take raw tensor names (`azure-fpga`, 2019) or aliases (`azure-fpga-preview`, 2018) and hold a single model.
 */
export const dialects = ["tensorflow-serving", "azure-fpga", "azure-fpga-preview"] as const;

/** A tensor with the same name in every dialect. */
export function identityNames(name: string): TensorNames {
  return aliasNames(name, { alias: name, raw: name });
}

/** A tensor that `azure-fpga` calls by its name in the graph, and the other dialects by an alias. */
export function aliasNames(
  name: string,
  { alias, raw }: { readonly alias: string; readonly raw: string },
): TensorNames {
  return {
    name,
    on: { "tensorflow-serving": alias, "azure-fpga": raw, "azure-fpga-preview": alias },
  };
}

/** The names of a model's tensors on the wire of each dialect. */
export function namesByDialect(names: ModelTensorNames): Readonly<Record<Dialect, DialectNames>> {
  return {
    "tensorflow-serving": dialectNames(names, "tensorflow-serving"),
    "azure-fpga": dialectNames(names, "azure-fpga"),
    "azure-fpga-preview": dialectNames(names, "azure-fpga-preview"),
  };
}

/** The names of a model's tensors on the wire of `dialect`. */
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

/** Names on the wire of `dialect` by any name of a tensor. Our own names win, then the tensor that is listed first. */
function wireNames(tensors: readonly TensorNames[], dialect: Dialect): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const add = (name: string, wire: string) => {
    if (!found.has(name)) found.set(name, wire);
  };
  for (const { name, on } of tensors) add(name, on[dialect]);
  for (const { on } of tensors) for (const each of dialects) add(on[each], on[dialect]);
  return found;
}
