import { type ClockAndRandom, SettingError } from "@tensorgate/core";
import { nodeLabelOf } from "../node-region.ts";
import { createResolver, type Lookup, systemLookup } from "./discovery/dns-resolver.ts";
import { inClusterApi, type KubernetesApi } from "./discovery/kubernetes-api.ts";
import { kubernetesScheme } from "./discovery/kubernetes-resolver.ts";
import { createNodeRegions } from "./discovery/node-regions.ts";
import type { ReplicaAddress, Resolver } from "./discovery/resolver.ts";
import { type ChannelOptions, channelDefaults, type ReplicaPoolOptions } from "./options.ts";
import { createPool, createReplicaIds, type ReplicaConnection, type ReplicaPool } from "./pool.ts";
import type { Replica } from "./replica.ts";

/** All replicas of the configuration. Pools that reach an address in the same way share its connection. */
export interface Replicas {
  /** Models, regions and opaque ids, for routing. Another array whenever it changed. */
  readonly pools: readonly ReplicaPool[];
  /** Replicas by id. One that was removed is there until its last call has ended; new calls to it fail as unprocessed. */
  readonly byId: ReadonlyMap<string, Replica>;
  /**
   * Replaces all pools. Replicas that stay keep their ids, connections and calls in flight; others are drained and closed.
   *
   * @throws SettingError if a file or variable of a pool cannot be used; then nothing has changed
   */
  replace(pools: readonly ReplicaPoolOptions[]): void;
  /** Calls `listener`, from now on, after `pools` has changed. */
  onChange(listener: () => void): void;
  /** Resolves the addresses of the pools of this replica again, soon. An id that is gone is ignored. */
  refresh(replicaId: string): void;
  close(): void;
}

/** The settings of a configuration that are about replicas. */
export interface UpstreamSettings {
  readonly pools: readonly ReplicaPoolOptions[];
  readonly upstream?: ChannelOptions | undefined;
}

export interface ReplicasOptions extends ClockAndRandom {
  /** That of the gateway. */
  readonly ownRegion: string;
  /** The system's lookup by default. */
  readonly lookup?: Lookup;
  /** That of the cluster that this process runs in by default. */
  readonly kubernetes?: KubernetesApi | undefined;
}

const noCluster =
  "kubernetes:/// needs a pod of Kubernetes: KUBERNETES_SERVICE_HOST is not set; use dns:/// elsewhere";

/** @throws SettingError if a file or a variable of a pool cannot be used */
export function createReplicas(
  { pools: initial, upstream: options }: UpstreamSettings,
  { ownRegion, lookup = systemLookup, kubernetes = inClusterApi(), clock, random }: ReplicasOptions,
): Replicas {
  const settings = { ...channelDefaults, ...options };
  const resolverOptions = {
    intervalMs: settings.resolveIntervalMs,
    lookup,
    kubernetes,
    onChange: () => update(),
    clock,
    random,
  };
  const nodes = createNodeRegions({
    api: kubernetes,
    ownRegion,
    onChange: () => update(),
    clock,
  });
  const idOf = createReplicaIds();
  /** By address in the configuration. */
  const resolvers = new Map<string, Resolver>();
  const connections = new Map<string, ReplicaConnection>();
  /** Connected and draining replicas. One that comes back while it drains gets a new connection. */
  const byId = new Map<string, Replica>();
  const listeners: (() => void)[] = [];
  /** As they are configured, without replicas. */
  let configured: readonly ReplicaPool[] = [];
  /** The pools in force; `pools` stays the same array as long as it has the same content. */
  let current: readonly ReplicaPool[] = [];
  let pools: readonly ReplicaPool[] = [];
  /** By replica, the addresses in the configuration of the pools that it is in. */
  let addressesOf = new Map<string, Set<string>>();

  const built = (of: readonly ReplicaPoolOptions[]) =>
    of.map((each, index) => {
      const where = `pools[${index}]`;
      const outside = each.replicas?.find((address) => address.startsWith(kubernetesScheme));
      if (outside !== undefined && !kubernetes)
        throw new SettingError(`${where}.replicas`, noCluster);
      return createPool(each, where);
    });

  /** Connects to a replica, unless it is connected already. @returns its id */
  function acquire(address: ReplicaAddress, { access }: ReplicaPool): string {
    const id = idOf(address, access);
    if (connections.has(id)) return id;
    const connection = access.connect(address, { settings, clock });
    connections.set(id, connection);
    byId.set(id, connection.replica);
    return id;
  }

  function drain(id: string, { replica, close }: ReplicaConnection): void {
    connections.delete(id);
    void close().then(() => {
      if (byId.get(id) === replica) byId.delete(id);
    });
  }

  /** Resolves a pool: it is one for each region, if its replicas are in the regions of their nodes. */
  function withReplicas(pool: ReplicaPool): readonly ReplicaPool[] {
    const found = pool.access.addresses.flatMap((each) => resolvers.get(each)?.addresses ?? []);
    const label = nodeLabelOf(pool.region);
    const idsOf = (addresses: readonly ReplicaAddress[]) => [
      ...new Set(addresses.map((each) => acquire(each, pool))),
    ];
    if (label === undefined) return [{ ...pool, replicaIds: idsOf(found) }];
    const byRegion = Map.groupBy(found, (address) => nodes.regionOf(address, label));
    // Those whose node is being read.
    byRegion.delete(undefined);
    if (byRegion.size === 0) return [{ ...pool, region: ownRegion }];
    return [...byRegion].map(([region = ownRegion, addresses]) => ({
      ...pool,
      region,
      replicaIds: idsOf(addresses),
    }));
  }

  /** Updates replicas by pools and resolvers. */
  function update(): void {
    current = configured.flatMap(withReplicas);
    addressesOf = new Map();
    for (const { replicaIds, access } of current) {
      for (const id of replicaIds) {
        const known = addressesOf.get(id) ?? new Set();
        for (const address of access.addresses) known.add(address);
        addressesOf.set(id, known);
      }
    }
    for (const [id, connection] of connections) if (!addressesOf.has(id)) drain(id, connection);
    if (publicPart(current) === publicPart(pools)) return;
    pools = current;
    for (const listener of listeners) listener();
  }

  function setPools(next: readonly ReplicaPool[]): void {
    configured = next;
    const wanted = new Set(configured.flatMap(({ access }) => access.addresses));
    for (const [address, resolver] of resolvers) {
      if (wanted.has(address)) continue;
      resolver.close();
      resolvers.delete(address);
    }
    for (const address of wanted) {
      if (!resolvers.has(address)) resolvers.set(address, createResolver(address, resolverOptions));
    }
    update();
  }

  setPools(built(initial));

  return {
    get pools() {
      return pools;
    },
    byId,
    replace: (next) => setPools(built(next)),
    onChange: (listener) => void listeners.push(listener),
    refresh: (replicaId) => {
      for (const address of addressesOf.get(replicaId) ?? []) resolvers.get(address)?.refresh();
    },
    close: () => {
      listeners.length = 0;
      setPools([]);
      nodes.close();
    },
  };
}

/** Serializes what other stages see of pools, to compare them. */
function publicPart(pools: readonly ReplicaPool[]): string {
  return JSON.stringify(pools.map(({ access: _, ...rest }) => rest));
}
