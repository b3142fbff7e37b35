import type { GatewayStatus, PoolStatus, RegionStatus, ReplicaStatus } from "@tensorgate/core";
import type { AliasOf } from "./replica-alias.ts";
import type { PoolReport, SchedulerStatus } from "./scheduler/status.ts";

export interface StatusView {
  readonly ownRegion: string;
  readonly aliasOf: AliasOf;
  /** Whether replicas are shown with their addresses. */
  readonly showsAddresses: boolean;
}

/** How the pools are doing, the gateway's own region first, then the nearest. */
export function gatewayStatus(
  { pools, retriesLeft }: SchedulerStatus,
  view: StatusView,
): Pick<GatewayStatus, "regions" | "retriesLeft"> {
  const byRegion = [...Map.groupBy(pools, ({ region }) => region)];
  const regions = byRegion
    .map(
      ([name, ofRegion]): RegionStatus => ({
        name,
        roundTripMs: Math.min(...ofRegion.map(({ roundTripMs }) => roundTripMs)),
        pools: ofRegion.map((pool) => poolStatus(pool, view)),
      }),
    )
    .toSorted((a, b) => farness(a, view.ownRegion) - farness(b, view.ownRegion));
  return { regions, retriesLeft: Math.floor(retriesLeft) };
}

function farness({ name, roundTripMs = 0 }: RegionStatus, ownRegion: string): number {
  return name === ownRegion ? -1 : roundTripMs;
}

function poolStatus(pool: PoolReport, { aliasOf, showsAddresses }: StatusView): PoolStatus {
  const { model, region, waiting, expectedWaitMs, isOverloaded, replicas } = pool;
  return {
    ...{ model, waiting, isOverloaded },
    ...(expectedWaitMs !== undefined && { expectedWaitMs }),
    replicas: replicas.map(({ id, versions: _ofCatalog, probeNote, ...report }): ReplicaStatus => {
      const address = showsAddresses ? { address: id } : {};
      const lastProbe = showsAddresses && probeNote ? { lastProbe: probeNote.detail } : {};
      return { id: aliasOf(region, id), ...address, ...report, ...lastProbe };
    }),
  };
}
