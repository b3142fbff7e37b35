import type { ClockAndRandom } from "@tensorgate/core";
import { createResolver, type Lookup, systemLookup } from "./discovery/dns-resolver.ts";
import type { ReplicaAddress, Resolver } from "./discovery/resolver.ts";
import { type ChannelOptions, channelDefaults, type ReplicaPoolOptions } from "./options.ts";
import { createPool, createReplicaIds, type Pool, type ReplicaConnection } from "./pool.ts";
import type { Replica } from "./replica.ts";

/** Every replica that the configuration names. Those that are reached in the same way share a connection. */
export interface Replicas {
  /** What routing may know: models, regions, and ids that mean nothing to it. Another array whenever it changed. */
  readonly pools: readonly Pool[];
  /**
   * A replica that was dropped is known until its last call has ended; calls that begin then fail as never sent.
   * @throws RangeError for an id that is not of `pools`, and has nothing in flight either
   */
  get(replicaId: string): Replica;
  /** The same, and undefined for an id that is gone. */
  find(replicaId: string): Replica | undefined;
  /**
   * Takes other pools in the place of those there are, all at once. Replicas that stay the same keep their ids,
   * connections and what is in flight; others finish what they have and close.
   *
   * @throws SettingError if a file or variable of a pool cannot be used; then nothing has changed
   */
  replace(pools: readonly ReplicaPoolOptions[]): void;
  /** Tells `listener`, from now on, after `pools` has changed. */
  onChange(listener: () => void): void;
  /** Finds out again, soon, where the replicas of the pools with this one are. An id that is gone is let pass. */
  refresh(replicaId: string): void;
  close(): void;
}

export interface ReplicasOptions extends ClockAndRandom {
  readonly options?: ChannelOptions | undefined;
  /** Asks the system unless given. */
  readonly lookup?: Lookup;
}

/** @throws SettingError if a file or a variable of a pool cannot be used */
export function createReplicas(
  initial: readonly ReplicaPoolOptions[],
  { options, lookup = systemLookup, clock, random }: ReplicasOptions,
): Replicas {
  const settings = { ...channelDefaults, ...options };
  const resolverOptions = {
    intervalMs: settings.resolveIntervalMs,
    lookup,
    onChange: () => update(),
    clock,
    random,
  };
  const idOf = createReplicaIds();
  /** By what the configuration calls them. */
  const resolvers = new Map<string, Resolver>();
  const connections = new Map<string, ReplicaConnection>();
  /** Dropped, with calls still in flight. A replica that comes back under such an id gets a new connection. */
  const draining = new Map<string, ReplicaConnection>();
  const listeners: (() => void)[] = [];
  /** The pools in force; `pools` shows them, and stays the same array while it shows the same. */
  let current: readonly Pool[] = [];
  let pools: readonly Pool[] = [];

  const built = (of: readonly ReplicaPoolOptions[]) =>
    of.map((each, index) => createPool(each, `pools[${index}]`));

  /** @returns its id */
  function acquire(address: ReplicaAddress, { access }: Pool): string {
    const id = idOf(address, access);
    if (!connections.has(id)) connections.set(id, access.connect(address, { settings, clock }));
    return id;
  }

  function drain(id: string, connection: ReplicaConnection): void {
    connections.delete(id);
    draining.set(id, connection);
    void connection.close().then(() => {
      if (draining.get(id) === connection) draining.delete(id);
    });
  }

  function withReplicas(pool: Pool): Pool {
    const found = pool.access.addresses.flatMap((each) => resolvers.get(each)?.addresses ?? []);
    return { ...pool, replicaIds: [...new Set(found.map((each) => acquire(each, pool)))] };
  }

  /** Brings replicas in line with pools and resolvers. */
  function update(): void {
    current = current.map(withReplicas);
    const wanted = new Set(current.flatMap(({ replicaIds }) => replicaIds));
    for (const [id, connection] of connections) if (!wanted.has(id)) drain(id, connection);
    if (shown(current) === shown(pools)) return;
    pools = current;
    for (const listener of listeners) listener();
  }

  function take(next: readonly Pool[]): void {
    current = next;
    const wanted = new Set(current.flatMap(({ access }) => access.addresses));
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

  take(built(initial));

  return {
    get pools() {
      return pools;
    },
    find: (replicaId) => (connections.get(replicaId) ?? draining.get(replicaId))?.replica,
    get: (replicaId) => {
      const found = connections.get(replicaId) ?? draining.get(replicaId);
      if (!found) throw new RangeError(`there is no replica ${replicaId}`);
      return found.replica;
    },
    replace: (next) => take(built(next)),
    onChange: (listener) => void listeners.push(listener),
    refresh: (replicaId) => {
      const ofReplica = current.filter(({ replicaIds }) => replicaIds.includes(replicaId));
      const addresses = ofReplica.flatMap(({ access }) => access.addresses);
      for (const address of new Set(addresses)) resolvers.get(address)?.refresh();
    },
    close: () => {
      listeners.length = 0;
      take([]);
    },
  };
}

/** What others see of pools, to compare them by. */
function shown(pools: readonly Pool[]): string {
  return JSON.stringify(pools.map(({ access: _, ...seen }) => seen));
}
