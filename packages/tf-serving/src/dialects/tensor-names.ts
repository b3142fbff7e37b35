import type { Dialect, TensorNames } from "@tensorgate/core";
import { dialects } from "./dialect.ts";

/** A tensor with the same name everywhere. */
export function sameEverywhere(name: string): TensorNames {
  return named(name, { alias: name, raw: name });
}

/** A tensor that `azure-fpga` calls by its name in the graph, and the other dialects by an alias. */
export function named(
  name: string,
  { alias, raw }: { readonly alias: string; readonly raw: string },
): TensorNames {
  return {
    name,
    on: { "tensorflow-serving": alias, "azure-fpga": raw, "azure-fpga-preview": alias },
  };
}

/** The name on the wire of `dialect` of a tensor that is asked for by any of its names. */
export function wireName(tensors: readonly TensorNames[], asked: string, dialect: Dialect): string {
  const found =
    tensors.find(({ name }) => name === asked) ??
    tensors.find(({ on }) => dialects.some((each) => on[each] === asked));
  return found?.on[dialect] ?? asked;
}

/** The outputs of a reply under our names. What is not known, or comes twice, keeps the name it came with. */
export function underOurNames<Tensor>(
  outputs: ReadonlyMap<string, Tensor>,
  tensors: readonly TensorNames[],
  dialect: Dialect,
): ReadonlyMap<string, Tensor> {
  const renamed = new Map<string, Tensor>();
  const byExactName = new Map(tensors.map(({ name, on }) => [on[dialect], name]));
  for (const [wire, tensor] of outputs) {
    const name = byExactName.get(wire);
    if (name !== undefined) renamed.set(name, tensor);
  }
  for (const [wire, tensor] of outputs) {
    if (byExactName.has(wire)) continue;
    const name = tensors.find(({ pattern }) => pattern?.test(wire))?.name;
    renamed.set(name === undefined || renamed.has(name) ? wire : name, tensor);
  }
  return renamed;
}
