import { type RoutingOptions, routingDefaults } from "./options.ts";
import { seededRoundTripMs } from "./round-trips.ts";
import type { PoolMembers } from "./scheduler/events.ts";
import type { SchedulerSettings } from "./scheduler/scheduler.ts";

/** What a request is believed to take before the first one ended, in milliseconds: that of an FPGA. */
const initialServiceMs = 2;

/** What the scheduler is run by, of what the configuration says. */
export function schedulerSettings(
  { roundTripsMs, ...options }: RoutingOptions,
  { ownRegion }: { readonly ownRegion: string },
): SchedulerSettings {
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
