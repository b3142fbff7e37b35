import type { CallContext, RoutingStep } from "@tensorgate/core";

/** Names replicas by their region and a number, without their addresses. */
export type AliasOf = (region: string, replicaId: string) => string;

/** Gives each replica the next number of its region, for as long as the gateway runs. */
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
 * Adds steps of the router to the trace of a call, where its caller wants one: replicas have their aliases, and their
 * addresses where the key allows that.
 */
export function addSteps(
  { routed, caller }: CallContext,
  steps: readonly RoutingStep[],
  aliasOf: AliasOf,
): void {
  if (!routed) return;
  const named = steps.map(({ atMs, step }): RoutingStep => {
    if (!("replicaId" in step)) return { atMs, step };
    const { replicaId, region } = step;
    const alias = aliasOf(region, replicaId);
    const name = caller?.maySeeAddresses ? `${alias} (${replicaId})` : alias;
    return { atMs, step: { ...step, replicaId: name } };
  });
  routed.steps = [...routed.steps, ...named];
}
