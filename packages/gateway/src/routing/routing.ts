import type { Clock, GatewayStatus, Readiness, SharingStatus } from "@tensorgate/core";
import { isServing, lacksVersion } from "./ask-nearest.ts";
import { createConditions } from "./condition.ts";
import { type RoutingOptions, routingDefaults } from "./options.ts";
import { createRouter } from "./router.ts";
import type { RoutedReplica, RoutedReplicas, Router, RouterDeps } from "./router-api.ts";
import type { ProbeResult, StateChange } from "./scheduler/events.ts";
import { createServingVersions, type ServingVersions } from "./serving-versions.ts";
import { schedulerSettings } from "./settings.ts";
import { gatewayStatus, isReadyAt, readinessOf, readyCount, replicaCounts } from "./status.ts";

/** The replicas that hold one model at a time. */
export interface RoutedDevices {
  readonly devicesOf: NonNullable<RouterDeps<RoutedReplica>["devicesOf"]>;
  isDevice(replicaId: string): boolean;
}

export interface RoutingDeps<Replica extends RoutedReplica>
  extends Pick<RouterDeps<Replica>, "aliasOf" | "sharing"> {
  readonly options: RoutingOptions | undefined;
  readonly ownRegion: string;
  readonly replicas: RoutedReplicas<Replica> & {
    /** Resolves the addresses of a replica's pools again, soon. */
    refresh(replicaId: string): void;
  };
  readonly devices: RoutedDevices;
  /** Probes a replica: whether it can score `model`, by a cheap call that takes so long at most. */
  readonly probe: (model: string, replicaId: string, timeoutMs: number) => Promise<ProbeResult>;
  /** Called with every change of a replica's state, and with the alias of the replica. Must not throw. */
  readonly observers: readonly ((change: StateChange & { readonly alias: string }) => void)[];
  readonly clock: Clock;
}

/** Selects a region and a replica for every call, and retries at another replica when one fails. */
export interface Routing<Replica extends RoutedReplica>
  extends Pick<
    Router<Replica>,
    "score" | "assertCapacity" | "ask" | "expectedVersion" | "regionsOf" | "close"
  > {
  /** What the control plane of devices may change. */
  readonly rotation: Pick<Router<Replica>, "drain" | "readmit"> & {
    isReady(model: string, replicaId: string): boolean;
    readyCount(model: string, except?: ReadonlySet<string>): number;
  };
  /** Returns the regions with their pools and replicas, the gateway's own region first. */
  status(showsAddresses: boolean): Pick<GatewayStatus, "regions" | "retriesLeft" | "sharing">;
  readiness(isClosing: boolean): Readiness;
  /** Whether calls of a model are queued in any region. */
  hasQueue(model: string): boolean;
  /** Counts the serving replicas of a model in all regions, and those of them that list other versions only. */
  replicasWithout(
    model: string,
    version: bigint,
  ): { readonly count: number; readonly without: number };
  readonly servingVersions: ServingVersions;
  /** Resolves when every pool can serve. */
  ready(): Promise<void>;
  readonly gauges: {
    replicas(): ReturnType<typeof replicaCounts>;
    waiting(): readonly { model: string; region: string; waiting: number }[];
    sharing(): SharingStatus | undefined;
  };
}

export function createRouting<Replica extends RoutedReplica>(
  deps: RoutingDeps<Replica>,
): Routing<Replica> {
  const { options, ownRegion, replicas, devices, observers, aliasOf, sharing, clock } = deps;
  const { probeTimeoutMs } = { ...routingDefaults, ...options };
  const conditions = createConditions();
  const servingVersions = createServingVersions(() => router.status(), clock);
  const router = createRouter({
    settings: schedulerSettings(options ?? {}, { ownRegion }),
    replicas,
    probe: (model, replicaId) => deps.probe(model, replicaId, probeTimeoutMs),
    onChange: (change) => {
      if (change.to !== "ready") replicas.refresh(change.replicaId);
      servingVersions.changed();
      conditions.notify();
      const named = { ...change, alias: aliasOf(change.region, change.replicaId) };
      for (const observe of observers) observe(named);
    },
    devicesOf: devices.devicesOf,
    aliasOf,
    sharing,
    clock,
  });
  // After the router has taken the change.
  replicas.onChange(conditions.notify);

  return {
    score: router.score,
    assertCapacity: router.assertCapacity,
    ask: router.ask,
    expectedVersion: router.expectedVersion,
    regionsOf: router.regionsOf,
    close: router.close,
    rotation: {
      drain: router.drain,
      readmit: router.readmit,
      isReady: (model, id) => isReadyAt(router.status(), model, id),
      readyCount: (model, except) => readyCount(router.status(), model, except),
    },
    status: (showsAddresses) => {
      const shared = sharing?.status();
      return {
        ...gatewayStatus(router.status(), { ownRegion, aliasOf, showsAddresses }),
        ...(shared && { sharing: shared }),
      };
    },
    readiness: (isClosing) => readinessOf(router.status(), { isClosing }),
    hasQueue: (name) =>
      router.status().pools.some(({ model, waiting }) => model === name && waiting > 0),
    replicasWithout: (name, version) => {
      const serving = router
        .status()
        .pools.filter(({ model }) => model === name)
        .flatMap(({ replicas: each }) => each.filter(isServing));
      const without = serving.filter((replica) => lacksVersion(replica, version));
      return { count: serving.length, without: without.length };
    },
    servingVersions: servingVersions.count,
    ready: () => conditions.waitUntil(() => router.canServeAll(devices.isDevice)),
    gauges: {
      replicas: () => replicaCounts(router.status()),
      waiting: () => router.status().pools,
      sharing: () => sharing?.status(),
    },
  };
}
