import type { Clock } from "@tensorgate/core";
import type { Dialect, ModelTensorNames } from "@tensorgate/tf-serving";
import { credentials } from "./credentials.ts";
import { azureFpgaReplica, serviceRoute } from "./dialects/azure-fpga.ts";
import { tensorflowServingReplica } from "./dialects/tensorflow-serving.ts";
import {
  type ChannelOptions,
  channelDefaults,
  type ReplicaTlsOptions,
  type UpstreamKeyOptions,
} from "./options.ts";
import type { Replica } from "./replica.ts";
import { type UnaryChannel, unaryChannel } from "./transport/unary-channel.ts";

export interface PoolAddresses {
  readonly model: string;
  readonly region: string;
  /** `host:port` of each. */
  readonly replicas: readonly string[];
  readonly dialect?: Dialect;
  /** Name of the service by which a cluster finds the container. */
  readonly service?: string;
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

export interface ReplicaParts {
  readonly options: ChannelOptions;
  /** What the tensors of a model are called in each dialect. */
  readonly tensorNamesOf: (model: string) => ModelTensorNames;
  readonly clock: Clock;
}

/** @throws SettingError if a file or a variable of a pool cannot be used */
export function replicas(pools: readonly PoolAddresses[], parts: ReplicaParts): Replicas {
  const { options, tensorNamesOf, clock } = parts;
  const settings = { ...channelDefaults, ...options };
  const channels = new Map<string, UnaryChannel>();
  const byId = new Map<string, Replica>();
  /** By what they are made of: pools that say the same of an address share its connection. */
  const numbers = new Map<string, number>();

  function idOf(address: string, { tls, key, dialect, service }: PoolAddresses): string {
    if (!tls && !key && !service && !isFpga(dialect)) return address;
    const made = JSON.stringify([tls, key, dialect, service]);
    const number = numbers.get(made) ?? numbers.size + 1;
    numbers.set(made, number);
    return `${address}#${number}`;
  }

  const members = pools.map((pool, index) => {
    const { model, region, dialect, service, replicas: addresses } = pool;
    const held = credentials(
      {
        ...pool,
        isKeyBare: dialect === "azure-fpga-preview",
        ...(service !== undefined && { headers: serviceRoute(service) }),
      },
      `pools[${index}]`,
    );
    // What cannot be used is told at the start rather than by the first call.
    held.read();
    const replicaIds = [...new Set(addresses)].map((address) => {
      const id = idOf(address, pool);
      if (!byId.has(id)) {
        const channel = unaryChannel({ address, credentials: held, settings, clock });
        channels.set(id, channel);
        byId.set(
          id,
          isFpga(dialect)
            ? azureFpgaReplica(channel, tensorNamesOf, dialect)
            : tensorflowServingReplica(channel, tensorNamesOf),
        );
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

function isFpga(dialect: Dialect | undefined): dialect is Exclude<Dialect, "tensorflow-serving"> {
  return dialect !== undefined && dialect !== "tensorflow-serving";
}
