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

/** Tensors of a request under their names on the wire. */
export function toWireNames<Tensor>(
  tensors: ReadonlyMap<string, Tensor>,
  names: ReadonlyMap<string, string>,
): ReadonlyMap<string, Tensor> {
  const renamed = new Map<string, Tensor>();
  for (const [name, tensor] of tensors) renamed.set(names.get(name) ?? name, tensor);
  return renamed;
}

/** The outputs of a reply under our names. What is not known, or comes twice, keeps the name it came with. */
export function toCanonicalNames<Tensor>(
  outputs: ReadonlyMap<string, Tensor>,
  { canonicalOutputs, patterns }: DialectNames,
): ReadonlyMap<string, Tensor> {
  const renamed = new Map<string, Tensor>();
  for (const [wire, tensor] of outputs) {
    const name = canonicalOutputs.get(wire);
    if (name !== undefined) renamed.set(name, tensor);
  }
  if (renamed.size === outputs.size) return renamed;
  for (const [wire, tensor] of outputs) {
    if (canonicalOutputs.has(wire)) continue;
    const name = patterns.find(({ pattern }) => pattern.test(wire))?.name;
    renamed.set(name === undefined || renamed.has(name) ? wire : name, tensor);
  }
  return renamed;
}
