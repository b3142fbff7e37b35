import { isDeepStrictEqual } from "node:util";
import type { GatewayOptions } from "@tensorgate/gateway";

/** Describes the models, pools and keys that are added, removed or changed between two configurations. */
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

/** Groups pools, since a region may have several pools of a model, with different dialects. */
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
