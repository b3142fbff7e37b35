import type { Clock } from "@tensorgate/core";
import {
  type TensorflowServingReplica,
  tensorflowServingReplica,
} from "./dialects/tensorflow-serving.ts";
import { type ChannelOptions, channelDefaults } from "./options.ts";
import { type UnaryChannel, unaryChannel } from "./transport/unary-channel.ts";

/** One running model server; what can be asked of it is the same in every dialect. */
export type Replica = TensorflowServingReplica;

export interface PoolAddresses {
  readonly model: string;
  readonly region: string;
  /** `host:port` of each. */
  readonly replicas: readonly string[];
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

export function replicas(
  pools: readonly PoolAddresses[],
  options: ChannelOptions,
  clock: Clock,
): Replicas {
  const settings = { ...channelDefaults, ...options };
  const channels = new Map<string, UnaryChannel>();
  const byId = new Map<string, Replica>();
  for (const address of pools.flatMap((pool) => pool.replicas)) {
    if (byId.has(address)) continue;
    const channel = unaryChannel(address, settings, clock);
    channels.set(address, channel);
    byId.set(address, tensorflowServingReplica(channel));
  }
  return {
    pools: pools.map(({ model, region, replicas: addresses }) => ({
      model,
      region,
      replicaIds: [...new Set(addresses)],
    })),
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
