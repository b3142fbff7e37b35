import type { CallContext, RoutingStep } from "@tensorgate/core";

/** Returns the alias of a replica: its region and a number, without its address. */
export type AliasOf = (region: string, replicaId: string) => string;

/** Numbers the replicas of each region in the order in which they appear. */
export function createReplicaAliases(): AliasOf {
  const numbers = new Map<string, Map<string, number>>();
  return (region, replicaId) => {
    const ofRegion = numbers.get(region) ?? new Map<string, number>();
    numbers.set(region, ofRegion);
    const number = ofRegion.get(replicaId) ?? ofRegion.size + 1;
    ofRegion.set(replicaId, number);
    return `${region}-${number}`;
  };
}

/**
 * Adds steps of the router to the trace of a call, if its caller asked for one: replicas have their aliases, and their
 * addresses if the key allows that.
 */
export function addSteps(
  { routingTrace, caller }: CallContext,
  steps: readonly RoutingStep[],
  aliasOf: AliasOf,
): void {
  if (!routingTrace) return;
  const named = steps.map(({ atMs, step }): RoutingStep => {
    if (!("replicaId" in step)) return { atMs, step };
    const { replicaId, region } = step;
    const alias = aliasOf(region, replicaId);
    const name = caller?.maySeeAddresses ? `${alias} (${replicaId})` : alias;
    return { atMs, step: { ...step, replicaId: name } };
  });
  routingTrace.steps = [...routingTrace.steps, ...named];
}
