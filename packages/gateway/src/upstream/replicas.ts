import type { Clock } from "@tensorgate/core";
import { credentials } from "./credentials.ts";
import {
  type TensorflowServingReplica,
  tensorflowServingReplica,
} from "./dialects/tensorflow-serving.ts";
import {
  type ChannelOptions,
  channelDefaults,
  type ReplicaTlsOptions,
  type UpstreamKeyOptions,
} from "./options.ts";
import { type UnaryChannel, unaryChannel } from "./transport/unary-channel.ts";

/** One running model server; what can be asked of it is the same in every dialect. */
export type Replica = TensorflowServingReplica;

export interface PoolAddresses {
  readonly model: string;
  readonly region: string;
  /** `host:port` of each. */
  readonly replicas: readonly string[];
  readonly tls?: ReplicaTlsOptions;
  readonly key?: UpstreamKeyOptions;
}

/** Every replica that the configuration names. Those at one address share a connection. */
export interface Replicas {
  /** What routing may know: models, regions, and ids that mean nothing to it. */
  readonly pools: readonly {
    readonly model: string;
    readonly region: string;
    readonly replicaIds: readonly string[];
  }[];
  /** @throws RangeError for an id that is not of `pools` */
  get(replicaId: string): Replica;
  close(): void;
}

/** @throws SettingError if a file or a variable of a pool cannot be used */
export function replicas(
  pools: readonly PoolAddresses[],
  options: ChannelOptions,
  clock: Clock,
): Replicas {
  const settings = { ...channelDefaults, ...options };
  const channels = new Map<string, UnaryChannel>();
  const byId = new Map<string, Replica>();
  /** By what they are made of: pools that say the same of an address share its connection. */
  const numbers = new Map<string, number>();

  function idOf(address: string, { tls, key }: PoolAddresses): string {
    if (!tls && !key) return address;
    const made = JSON.stringify([tls, key]);
    const number = numbers.get(made) ?? numbers.size + 1;
    numbers.set(made, number);
    return `${address}#${number}`;
  }

  const members = pools.map((pool, index) => {
    const { model, region, replicas: addresses } = pool;
    const held = credentials(pool, `pools[${index}]`);
    // What cannot be used is told at the start rather than by the first call.
    held.read();
    const replicaIds = [...new Set(addresses)].map((address) => {
      const id = idOf(address, pool);
      if (!byId.has(id)) {
        const channel = unaryChannel({ address, credentials: held, settings, clock });
        channels.set(id, channel);
        byId.set(id, tensorflowServingReplica(channel));
      }
      return id;
    });
    return { model, region, replicaIds };
  });

  return {
    pools: members,
    get: (replicaId) => {
      const replica = byId.get(replicaId);
      if (!replica) throw new RangeError(`there is no replica ${replicaId}`);
      return replica;
    },
    close: () => {
      for (const channel of channels.values()) channel.close();
    },
  };
}
