import type { CallContext, RoutingStep } from "@tensorgate/core";

/** Names replicas by their region and a number: no address is told. */
export type AliasOf = (region: string, replicaId: string) => string;

/** Gives each replica the next number of its region, for as long as the gateway runs. */
export function replicaAliases(): AliasOf {
  const numbers = new Map<string, Map<string, number>>();
  return (region, replicaId) => {
    const ofRegion = numbers.get(region) ?? new Map<string, number>();
    numbers.set(region, ofRegion);
    const number = ofRegion.get(replicaId) ?? ofRegion.size + 1;
    ofRegion.set(replicaId, number);
    return `${region}-${number}`;
  };
}

/** A step as the caller may see it: with the number of a replica, and with its address where the key allows that. */
export function namedStep(
  { atMs, step }: RoutingStep,
  { aliasOf, call }: { readonly aliasOf: AliasOf; readonly call: CallContext },
): RoutingStep {
  if (!("replicaId" in step)) return { atMs, step };
  const { replicaId, region } = step;
  const alias = aliasOf(region, replicaId);
  const name = call.caller?.maySeeAddresses ? `${alias} (${replicaId})` : alias;
  return { atMs, step: { ...step, replicaId: name } };
}
