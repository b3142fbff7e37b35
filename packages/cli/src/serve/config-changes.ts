import { isDeepStrictEqual } from "node:util";
import type { GatewayOptions } from "@tensorgate/gateway";

/** What a gateway that takes `after` in the place of `before` has more, less and different, in words. */
export function configChanges(before: GatewayOptions, after: GatewayOptions): readonly string[] {
  return [
    ...changesOf(modelsOf(before), modelsOf(after)),
    ...changesOf(poolsOf(before), poolsOf(after)),
    ...changesOf(keysOf(before), keysOf(after)),
    ...(before.allowPlaintextKeys === after.allowPlaintextKeys
      ? []
      : ["allowPlaintextKeys changed"]),
  ];
}

type Named = ReadonlyMap<string, unknown>;

const modelsOf = ({ models = [] }: GatewayOptions): Named =>
  new Map(models.map((model) => [`model ${model.name}`, model]));

/** A region may have several pools of a model, in dialects of their own. */
const poolsOf = ({ pools }: GatewayOptions): Named =>
  Map.groupBy(pools, ({ model, region }) => `pool ${model} in ${region}`);

const keysOf = ({ keys = [] }: GatewayOptions): Named =>
  new Map(keys.map((key) => [`key ${key.id}`, key]));

function changesOf(before: Named, after: Named): readonly string[] {
  const names = new Set([...before.keys(), ...after.keys()]);
  return [...names].flatMap((name) => {
    if (!before.has(name)) return [`${name} added`];
    if (!after.has(name)) return [`${name} removed`];
    return isDeepStrictEqual(before.get(name), after.get(name)) ? [] : [`${name} changed`];
  });
}
