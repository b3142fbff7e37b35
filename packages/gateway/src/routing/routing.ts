import type {
  CallContext,
  Clock,
  GatewayStatus,
  ModelSpec,
  ScoreResolved,
  ScoreResponse,
} from "@tensorgate/core";
import { createConditions } from "./condition.ts";
import type { RoutingOptions } from "./options.ts";
import { createRouter } from "./router.ts";
import type { Router, RouterDeps } from "./router-api.ts";
import type { RoutedPool, StateChange } from "./scheduler/events.ts";
import { schedulerSettings } from "./settings.ts";
import {
  canServeAll,
  gatewayStatus,
  isReadyAt,
  type PoolReadiness,
  readinessOf,
  readyCount,
  replicaCounts,
} from "./status.ts";

/** A replica as far as routing needs it. */
export interface RoutedReplica {
  readonly score: ScoreResolved;
  /** Way there and back, in milliseconds; undefined until it is measured. */
  roundTripMs(): number | undefined;
  /** How long its next call of a model would wait, in milliseconds, where it is a gateway. */
  expectedWaitMs?(model: string): number | undefined;
}

/** The replicas of the configuration, which may change at any time. */
export interface RoutedReplicas<Replica extends RoutedReplica> {
  readonly pools: readonly RoutedPool[];
  /** @throws RangeError for an unknown id */
  get(replicaId: string): Replica;
  /** Also finds one that was removed while its last calls end. */
  find(replicaId: string): Replica | undefined;
  /** Resolves the addresses of a replica's pools again, soon. */
  refresh(replicaId: string): void;
  /** Calls `listener` after `pools` has changed. */
  onChange(listener: () => void): void;
}

/** The replicas that hold one model at a time. */
export interface RoutedDevices {
  readonly devicesOf: NonNullable<RouterDeps["devicesOf"]>;
  isDevice(replicaId: string): boolean;
}

export interface RoutingDeps<Replica extends RoutedReplica>
  extends Pick<RouterDeps, "probe" | "aliasOf"> {
  readonly options: RoutingOptions | undefined;
  readonly ownRegion: string;
  readonly replicas: RoutedReplicas<Replica>;
  readonly devices: RoutedDevices;
  /** Called with every change of a replica's state; must not throw. */
  readonly onChange: (change: StateChange) => void;
  readonly clock: Clock;
}

/** Picks a region and a replica for every call, and another replica when one fails. */
export interface Routing<Replica> extends Pick<Router, "expectedVersion" | "regionsOf" | "close"> {
  /** Scores at a replica. @see Router.dispatch for errors */
  readonly score: ScoreResolved;
  /** Asks replicas in rotation in turn, the nearest first, until one answers. */
  ask<Answer>(
    question: (replica: Replica) => (modelSpec: ModelSpec, call: CallContext) => Promise<Answer>,
  ): (modelSpec: ModelSpec, call: CallContext) => Promise<Answer>;
  /** What the control plane of devices may do with calls. */
  readonly rotation: Pick<Router, "drain" | "readmit"> & {
    isReady(model: string, replicaId: string): boolean;
    readyCount(model: string, except?: ReadonlySet<string>): number;
  };
  /** The regions with their pools and replicas, the gateway's own region first. */
  status(showsAddresses: boolean): Pick<GatewayStatus, "regions" | "retriesLeft">;
  readiness(isClosing: boolean): PoolReadiness;
  /** Resolves as soon as every pool can serve. */
  ready(): Promise<void>;
  readonly gauges: {
    replicas(): ReturnType<typeof replicaCounts>;
    waiting(): readonly { model: string; region: string; waiting: number }[];
  };
}

export function createRouting<Replica extends RoutedReplica>(
  deps: RoutingDeps<Replica>,
): Routing<Replica> {
  const { options, ownRegion, replicas, devices, aliasOf, clock } = deps;
  const conditions = createConditions();
  const router = createRouter({
    settings: schedulerSettings(options ?? {}, { ownRegion }),
    pools: replicas.pools,
    probe: deps.probe,
    versionOf: (answer) => (answer as ScoreResponse).model.version,
    factsOf: (model, id) => {
      // Its last call may have ended just now, and it may have been removed with it.
      const replica = replicas.find(id);
      return {
        roundTripMs: replica?.roundTripMs(),
        expectedWaitMs: replica?.expectedWaitMs?.(model),
      };
    },
    onChange: (change) => {
      if (change.to !== "ready") replicas.refresh(change.replicaId);
      conditions.notify();
      deps.onChange(change);
    },
    devicesOf: devices.devicesOf,
    aliasOf,
    clock,
  });
  replicas.onChange(() => {
    router.setPools(replicas.pools);
    conditions.notify();
  });

  return {
    expectedVersion: router.expectedVersion,
    regionsOf: router.regionsOf,
    close: router.close,
    score: async (request, call) => {
      const { answer, region } = await router.dispatch(request, call, (id, attempt) =>
        replicas.get(id).score(request, attempt),
      );
      return { ...answer, region };
    },
    ask: (question) => (modelSpec, call) =>
      router.ask(modelSpec, call, (id, attempt) => question(replicas.get(id))(modelSpec, attempt)),
    rotation: {
      drain: router.drain,
      readmit: router.readmit,
      isReady: (model, id) => isReadyAt(router.status(), model, id),
      readyCount: (model, except) => readyCount(router.status(), model, except),
    },
    status: (showsAddresses) =>
      gatewayStatus(router.status(), { ownRegion, aliasOf, showsAddresses }),
    readiness: (isClosing) => readinessOf(router.status(), { isClosing }),
    ready: () => conditions.waitUntil(() => canServeAll(router.status(), devices.isDevice)),
    gauges: {
      replicas: () => replicaCounts(router.status()),
      waiting: () => router.status().pools,
    },
  };
}
