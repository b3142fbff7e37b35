import type {
  GatewayStatus,
  PoolStatus,
  Readiness,
  RegionStatus,
  ReplicaStatus,
} from "@tensorgate/core";
import { probeFindings } from "./rejection-error.ts";
import type { AliasOf } from "./routing-trace.ts";
import { type ReplicaStateName, replicaStates } from "./scheduler/events.ts";
import type { PoolReport, ReplicaReport, SchedulerStatus } from "./scheduler/status.ts";

export interface StatusView {
  readonly ownRegion: string;
  readonly aliasOf: AliasOf;
  /** Whether replicas are shown with their addresses. */
  readonly showsAddresses: boolean;
}

/** Reports the pools by region, the gateway's own region first, then the nearest. */
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
    .toSorted((a, b) => distance(a, view.ownRegion) - distance(b, view.ownRegion));
  return { regions, retriesLeft: Math.floor(retriesLeft) };
}

function distance({ name, roundTripMs = 0 }: RegionStatus, ownRegion: string): number {
  return name === ownRegion ? -1 : roundTripMs;
}

function poolStatus(pool: PoolReport, { aliasOf, showsAddresses }: StatusView): PoolStatus {
  const { model, region, waiting, expectedWaitMs, isOverloaded, replicas } = pool;
  return {
    model,
    waiting,
    isOverloaded,
    ...(expectedWaitMs !== undefined && { expectedWaitMs }),
    replicas: replicas.map(({ id, versions: _ofCatalog, probeNote, ...report }): ReplicaStatus => {
      const address = showsAddresses ? { address: id } : {};
      const lastProbe = showsAddresses && probeNote ? { lastProbe: probeNote.detail } : {};
      return { id: aliasOf(region, id), ...address, ...report, ...lastProbe };
    }),
  };
}

/** Reports readiness: the gateway is ready if some pool can serve, and it is not closing. */
export function readinessOf(
  { pools }: SchedulerStatus,
  { isClosing }: { readonly isClosing: boolean },
): Readiness {
  if (isClosing) return { isReady: false, because: "the gateway is closing" };
  const count = pools.filter(canServe).length;
  const because = `${count} of ${pools.length} pools can serve`;
  if (count > 0) return { isReady: true, because };
  const findings = probeFindings(pools, {});
  const found = findings.length === 0 ? "" : `; last probe: ${findings.join(", ")}`;
  return { isReady: false, because: because + found };
}

function canServe({ replicas }: PoolReport): boolean {
  return replicas.some(isServing);
}

function isServing({ state }: ReplicaReport): boolean {
  return state === "ready" || state === "half-open";
}

/** Counts the replicas of a model that are in rotation in any region, except those of `except`. */
export function readyCount(
  { pools }: SchedulerStatus,
  model: string,
  except: ReadonlySet<string> = new Set(),
): number {
  return readyIds(pools, model).filter((id) => !except.has(id)).length;
}

/** Whether calls of a model go to a replica. */
export function isReadyAt({ pools }: SchedulerStatus, model: string, replicaId: string): boolean {
  return readyIds(pools, model).includes(replicaId);
}

function readyIds(pools: readonly PoolReport[], model: string): readonly string[] {
  return pools
    .filter((pool) => pool.model === model)
    .flatMap(({ replicas }) => replicas.filter(isServing).map(({ id }) => id));
}

export interface ReplicaCount {
  readonly model: string;
  readonly region: string;
  readonly state: ReplicaStateName;
  readonly count: number;
}

/** Counts the replicas of each model, region and state. */
export function replicaCounts({ pools }: SchedulerStatus): readonly ReplicaCount[] {
  return pools.flatMap(({ model, region, replicas }) =>
    replicaStates.map((state) => ({
      model,
      region,
      state,
      count: replicas.filter((each) => each.state === state).length,
    })),
  );
}
