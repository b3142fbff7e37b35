import {
  type DialectNames,
  InvalidRequestError,
  type Tensor,
  UpstreamFailedError,
} from "@tensorgate/core";
import { canonicalName } from "@tensorgate/tf-serving";
import type { KnownModel } from "./open-inference-model.ts";

/** The outputs of a reply under our names. One with an unknown name keeps it. */
export function canonicalOutputs(
  outputs: ReadonlyMap<string, Tensor>,
  names: DialectNames,
): ReadonlyMap<string, Tensor> {
  const found = new Map<string, Tensor>();
  const unknown: [string, Tensor][] = [];
  for (const [wire, tensor] of outputs) {
    const name = names.canonicalOutputs.get(wire);
    if (name === undefined) unknown.push([wire, tensor]);
    else found.set(name, tensor);
  }
  for (const [wire, tensor] of unknown) found.set(canonicalName(wire, names, found), tensor);
  return found;
}

/**
 * The outputs that were asked for; some servers return all of them.
 *
 * @throws UpstreamFailedError if an output is missing that the server said the model has; InvalidRequestError if it said
 *   nothing
 */
export function filteredOutputs(
  outputs: ReadonlyMap<string, Tensor>,
  names: readonly string[],
  known: KnownModel | undefined,
): ReadonlyMap<string, Tensor> {
  return new Map(
    names.map((name) => {
      const tensor = outputs.get(name);
      if (tensor) return [name, tensor];
      if (known && known.signature.outputs.size > 0) {
        throw new UpstreamFailedError(`the replica's response lacks output "${name}"`);
      }
      throw new InvalidRequestError(`the model has no output "${name}"`, { field: name });
    }),
  );
}
