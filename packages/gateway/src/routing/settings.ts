import type { DispatcherSettings } from "./dispatcher/dispatcher.ts";
import type { PoolMembers } from "./dispatcher/events.ts";
import { type RoutingOptions, routingDefaults } from "./options.ts";
import { seededRoundTripMs } from "./round-trips.ts";

/** What a request is believed to take before the first one ended, in milliseconds: that of an FPGA. */
const initialServiceMs = 2;

export interface SettingsParts {
  readonly ownRegion: string;
  /** Whether some region is entered by its own gateway, so that others send to the replicas here, too. */
  readonly hasPeers: boolean;
}

/** What the dispatcher is run by, of what the configuration says. */
export function dispatcherSettings(
  { pacing, roundTripsMs, ...options }: RoutingOptions,
  { ownRegion, hasPeers }: SettingsParts,
): DispatcherSettings {
  return {
    ...{ ...routingDefaults, ...options, ownRegion, initialServiceMs },
    isPaced: pacing ?? !hasPeers,
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
    ...{ model, region },
    members: replicaIds.map((id) => ({ id, isGateway, parallelism })),
  }));
}
