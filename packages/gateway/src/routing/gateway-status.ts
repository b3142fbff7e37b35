import type { GatewayStatus, PoolStatus, RegionStatus, ReplicaStatus } from "@tensorgate/core";
import type {
  DispatcherStatus,
  PoolReport,
  ReplicaReport,
} from "./dispatcher/dispatcher-status.ts";
import type { AliasOf } from "./replica-alias.ts";

/** How the pools are doing, the gateway's own region first, then the nearest. */
export function gatewayStatus(
  { pools, retriesLeft }: DispatcherStatus,
  { ownRegion, aliasOf }: { readonly ownRegion: string; readonly aliasOf: AliasOf },
): Pick<GatewayStatus, "regions" | "retriesLeft"> {
  const byRegion = [...Map.groupBy(pools, ({ region }) => region)];
  const regions = byRegion
    .map(
      ([name, ofRegion]): RegionStatus => ({
        name,
        roundTripMs: Math.min(...ofRegion.map(({ roundTripMs }) => roundTripMs)),
        pools: ofRegion.map((pool) => poolStatus(pool, aliasOf)),
      }),
    )
    .toSorted((a, b) => farness(a, ownRegion) - farness(b, ownRegion));
  return { regions, retriesLeft: Math.floor(retriesLeft) };
}

function farness({ name, roundTripMs = 0 }: RegionStatus, ownRegion: string): number {
  return name === ownRegion ? -1 : roundTripMs;
}

function poolStatus(pool: PoolReport, aliasOf: AliasOf): PoolStatus {
  const { model, region, waiting, expectedWaitMs, isOverloaded, replicas } = pool;
  return {
    ...{ model, waiting, isOverloaded },
    ...(expectedWaitMs !== undefined && { expectedWaitMs }),
    replicas: replicas.map(({ id, ...report }) => replicaStatus(aliasOf(region, id), report)),
  };
}

function replicaStatus(id: string, report: Omit<ReplicaReport, "id">): ReplicaStatus {
  return { id, ...report };
}
