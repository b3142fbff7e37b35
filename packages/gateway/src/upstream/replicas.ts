import type { ClockAndRandom } from "@tensorgate/core";
import type { AddressSource, ReplicaAddress } from "./discovery/address-source.ts";
import { type Resolve, systemResolve } from "./discovery/dns-source.ts";
import { sourceOf } from "./discovery/source-of.ts";
import { type CheckedPool, checkedPool, type HeldReplica, heldReplica } from "./held-replica.ts";
import { type ChannelOptions, channelDefaults } from "./options.ts";
import {
  addressesOf,
  type PoolAddresses,
  type PoolMembers,
  parallelismOf,
} from "./pool-addresses.ts";
import type { Replica } from "./replica.ts";
import { replicaIds } from "./replica-ids.ts";

/** Every replica that the configuration names. Those that are reached in the same way share a connection. */
export interface Replicas {
  /** What routing may know: models, regions, and ids that mean nothing to it. Another array whenever it changed. */
  readonly pools: readonly PoolMembers[];
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
  replace(pools: readonly PoolAddresses[]): void;
  /** Tells `listener`, from now on, after `pools` has changed. */
  onChange(listener: () => void): void;
  /** Finds out again, soon, where the replicas of the pools with this one are. An id that is gone is let pass. */
  refresh(replicaId: string): void;
  close(): void;
}

export interface ReplicaParts extends ClockAndRandom {
  readonly options: ChannelOptions;
  /** Asks the system unless given. */
  readonly resolve?: Resolve;
}

/** @throws SettingError if a file or a variable of a pool cannot be used */
export function replicas(initial: readonly PoolAddresses[], parts: ReplicaParts): Replicas {
  const { options, resolve = systemResolve } = parts;
  const settings = { ...channelDefaults, ...options };
  const heldParts = { ...parts, settings };
  const sourceParts = {
    ...{ ...parts, resolve },
    intervalMs: settings.resolveIntervalMs,
    onChange: () => update(),
  };
  const idOf = replicaIds();
  /** By what the configuration calls them. */
  const sources = new Map<string, AddressSource>();
  const live = new Map<string, HeldReplica>();
  /** Dropped, with calls still in flight. Who comes back under such an id is made anew. */
  const leaving = new Map<string, HeldReplica>();
  const listeners: (() => void)[] = [];
  let current: readonly CheckedPool[] = [];
  let pools: readonly PoolMembers[] = [];

  const checked = (of: readonly PoolAddresses[]) =>
    of.map((pool, index) => checkedPool(pool, `pools[${index}]`));

  /** @returns its id */
  function hold(address: ReplicaAddress, of: CheckedPool): string {
    const id = idOf(address, of.pool);
    if (!live.has(id)) live.set(id, heldReplica(address, of, heldParts));
    return id;
  }

  function drop(id: string, held: HeldReplica): void {
    live.delete(id);
    leaving.set(id, held);
    void held.close().then(() => {
      if (leaving.get(id) === held) leaving.delete(id);
    });
  }

  function membersOf(of: CheckedPool): PoolMembers {
    const { model, region, gateway, exclusive: isExclusive = false } = of.pool;
    const found = addressesOf(of.pool).flatMap((each) => sources.get(each)?.addresses ?? []);
    const replicaIds = [...new Set(found.map((each) => hold(each, of)))];
    const parallelism = parallelismOf(of.pool);
    const isGateway = gateway !== undefined;
    return { model, region, replicaIds, parallelism, isGateway, isExclusive };
  }

  /** Brings replicas in line with pools and sources. */
  function update(): void {
    const next = current.map(membersOf);
    const wanted = new Set(next.flatMap((pool) => pool.replicaIds));
    for (const [id, held] of live) if (!wanted.has(id)) drop(id, held);
    if (JSON.stringify(next) === JSON.stringify(pools)) return;
    pools = next;
    for (const listener of listeners) listener();
  }

  function take(next: readonly CheckedPool[]): void {
    current = next;
    const wanted = new Set(current.flatMap(({ pool }) => addressesOf(pool)));
    for (const [address, source] of sources) {
      if (wanted.has(address)) continue;
      source.close();
      sources.delete(address);
    }
    for (const address of wanted) {
      if (!sources.has(address)) sources.set(address, sourceOf(address, sourceParts));
    }
    update();
  }

  take(checked(initial));

  const find = (replicaId: string) => (live.get(replicaId) ?? leaving.get(replicaId))?.replica;

  return {
    get pools() {
      return pools;
    },
    find,
    get: (replicaId) => {
      const found = find(replicaId);
      if (!found) throw new RangeError(`there is no replica ${replicaId}`);
      return found;
    },
    replace: (next) => take(checked(next)),
    onChange: (listener) => void listeners.push(listener),
    refresh: (replicaId) => {
      const addresses = current.flatMap(({ pool }, index) =>
        pools[index]?.replicaIds.includes(replicaId) ? addressesOf(pool) : [],
      );
      for (const address of new Set(addresses)) sources.get(address)?.refresh();
    },
    close: () => {
      listeners.length = 0;
      take([]);
    },
  };
}
