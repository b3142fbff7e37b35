import type { Clock } from "@tensorgate/core";
import type { ServerDialect } from "./dialects/dialect.ts";
import { dialectNamed, tensorgatePeer } from "./dialects/dialects.ts";
import type { ReplicaAddress } from "./discovery/resolver.ts";
import type { ChannelOptions, ReplicaPoolOptions, ReplicaTlsOptions } from "./options.ts";
import type { Replica } from "./replica.ts";
import { createCredentials } from "./transport/credentials.ts";
import { createUnaryChannel } from "./transport/unary-channel.ts";

/** The replicas of one model in one region. */
export interface ReplicaPool {
  readonly model: string;
  readonly region: string;
  /** Opaque outside of upstream. One for a gateway. */
  readonly replicaIds: readonly string[];
  /** Whether the replica is the gateway of the region, which has its own queue and replicas. */
  readonly isGateway: boolean;
  /** Whether each replica is a device that holds one model at a time. */
  readonly isExclusive: boolean;
  /** Requests that each of them processes concurrently. */
  readonly parallelism: number | "auto";
  readonly access: ReplicaAccess;
}

/** How to connect to the replicas of a pool. */
export interface ReplicaAccess {
  /** Of each replica, as in the configuration. */
  readonly addresses: readonly string[];
  /** Differs between pools that reach the same address with different settings; empty for the defaults. */
  readonly way: string;
  /** Connects to a replica; the first call opens the connection. */
  connect(address: ReplicaAddress, options: ConnectOptions): ReplicaConnection;
}

export interface ConnectOptions {
  readonly settings: Required<ChannelOptions>;
  readonly clock: Clock;
}

/** A replica with its connection. */
export interface ReplicaConnection {
  readonly replica: Replica;
  /** Takes no more calls. Resolves when those in flight have ended. */
  close(): Promise<void>;
}

/**
 * Builds a pool, without replicas until its addresses are resolved.
 *
 * @param where - the pool in the configuration, for messages
 * @throws SettingError if a file or a variable of the pool cannot be used
 */
export function createPool(options: ReplicaPoolOptions, where: string): ReplicaPool {
  const { model, region, gateway, service, key, exclusive: isExclusive = false } = options;
  const dialect = gateway === undefined ? dialectNamed(options.dialect) : tensorgatePeer;
  const tls = tlsOf(options);
  const credentials = createCredentials(
    { tls, key, isKeyBare: dialect.isKeyBare, headers: dialect.route({ region, service }) },
    where,
  );
  // An unusable file fails now rather than at the first call.
  credentials.read();
  return {
    model,
    region,
    replicaIds: [],
    isGateway: dialect.isGateway,
    isExclusive,
    parallelism: options.parallelism ?? (isExclusive || dialect.isDevice ? 1 : "auto"),
    access: {
      addresses: addressesOf(options),
      way: wayOf(options, dialect),
      connect: ({ authority, ip }, { settings, clock }) => {
        const channel = createUnaryChannel({
          address: authority,
          ...(ip !== undefined && { ip }),
          credentials,
          settings,
          clock,
        });
        const replica = dialect.connect(channel, { region, isExclusive, clock });
        return { replica, close: channel.close };
      },
    },
  };
}

/** Returns the addresses of a pool in the form of `replicas`. */
export function addressesOf({
  replicas = [],
  gateway,
}: Pick<ReplicaPoolOptions, "replicas" | "gateway">): readonly string[] {
  if (gateway === undefined) return replicas;
  const { protocol, hostname, port } = new URL(gateway);
  return [`${hostname}:${port || (protocol === "https:" ? 443 : 80)}`];
}

/** Returns the TLS settings of a pool; the URL of a gateway decides whether there is TLS. */
export function tlsOf({
  gateway,
  tls,
}: Pick<ReplicaPoolOptions, "gateway" | "tls">): ReplicaTlsOptions | undefined {
  return gateway?.startsWith("https:") ? (tls ?? {}) : tls;
}

function wayOf(options: ReplicaPoolOptions, { name, isGateway }: ServerDialect): string {
  const { key, service, region, exclusive } = options;
  const tls = tlsOf(options);
  const isPlain = !tls && !key && !service && !isGateway && !exclusive;
  if (isPlain && name === dialectNamed().name) return "";
  // Calls to a gateway carry the region.
  return JSON.stringify([tls, key, name, service, isGateway ? region : undefined, exclusive]);
}

/** Creates the ids of replicas: the same address with the same settings has the same id, in every pool. */
export function createReplicaIds(): (address: ReplicaAddress, access: ReplicaAccess) => string {
  const numbers = new Map<string, number>();

  return (address, { way }) => {
    const place = placeOf(address);
    if (way === "") return place;
    const number = numbers.get(way) ?? numbers.size + 1;
    numbers.set(way, number);
    return `${place}#${number}`;
  };
}

/** Distinguishes the addresses of a name from the same addresses of another name, or of none. */
function placeOf({ authority, ip }: ReplicaAddress): string {
  if (ip === undefined) return authority;
  const portAt = authority.lastIndexOf(":");
  const host = ip.includes(":") ? `[${ip}]` : ip;
  return `${host}${authority.slice(portAt)}/${authority.slice(0, portAt)}`;
}
