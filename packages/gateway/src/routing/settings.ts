import type { DispatcherSettings } from "./dispatcher/dispatcher.ts";
import type { PoolMembers } from "./dispatcher/events.ts";
import { type RoutingOptions, routingDefaults } from "./options.ts";
import { seededRoundTripMs } from "./round-trips.ts";

/** What a request is believed to take before the first one ended, in milliseconds: that of an FPGA. */
const initialServiceMs = 2;

/** What the dispatcher is run by, of what the configuration says. */
export function dispatcherSettings(
  { roundTripsMs, ...options }: RoutingOptions,
  { ownRegion }: { readonly ownRegion: string },
): DispatcherSettings {
  return {
    ...{ ...routingDefaults, ...options, ownRegion, initialServiceMs },
    roundTripMs: (from, to) => seededRoundTripMs(from, to, roundTripsMs),
  };
}

/** A pool as upstream knows it. */
export interface PoolOfReplicas {
  readonly model: string;
  readonly region: string;
  readonly replicaIds: readonly string[];
  readonly isGateway: boolean;
  readonly parallelism: number | "auto";
}

export function membersOf(pools: readonly PoolOfReplicas[]): readonly PoolMembers[] {
  return pools.map(({ model, region, replicaIds, isGateway, parallelism }) => ({
    ...{ model, region, isPeer: isGateway },
    members: replicaIds.map((id) => ({ id, isGateway, parallelism })),
  }));
}
