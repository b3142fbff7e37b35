import type { Dialect } from "@tensorgate/tf-serving";
import type { ReplicaTlsOptions, UpstreamKeyOptions } from "./options.ts";

/** Where the replicas of one model in one region are, and how they want to be spoken to. */
export interface PoolAddresses {
  readonly model: string;
  readonly region: string;
  /** `host:port` of each, or `dns:///name:port` for every address of a name. There are these, or there is `gateway`. */
  readonly replicas?: readonly string[];
  /** `http://host:port` or `https://host:port` of the gateway by which the region is entered. */
  readonly gateway?: string;
  readonly dialect?: Dialect;
  /** Name of the service by which a cluster finds the container. */
  readonly service?: string;
  readonly tls?: ReplicaTlsOptions;
  readonly key?: UpstreamKeyOptions;
  /** Requests that a replica works on at once; one for a device, and learnt for a server unless it is given. */
  readonly parallelism?: number | "auto";
  /** Whether each replica is a device that holds one model at a time. */
  readonly exclusive?: boolean;
}

/** What routing may know of a pool: ids mean nothing to it. */
export interface PoolMembers {
  readonly model: string;
  readonly region: string;
  /** One for a gateway. */
  readonly replicaIds: readonly string[];
  /** Whether the region is entered by its own gateway, which has a queue and sees all of the region's load. */
  readonly isGateway: boolean;
  /** Whether each replica is a device that holds one model at a time. */
  readonly isExclusive: boolean;
  /** Requests that each of them works on at once. */
  readonly parallelism: number | "auto";
}

/** Addresses of a pool in the form that `replicas` has. */
export function addressesOf({ replicas = [], gateway }: PoolAddresses): readonly string[] {
  if (gateway === undefined) return replicas;
  const { protocol, hostname, port } = new URL(gateway);
  return [`${hostname}:${port || (protocol === "https:" ? 443 : 80)}`];
}

/** A device does one after the other; of a server nobody knows. */
export function parallelismOf(pool: PoolAddresses): number | "auto" {
  const { parallelism, dialect, exclusive = false } = pool;
  return parallelism ?? (exclusive || dialect?.startsWith("azure-fpga") ? 1 : "auto");
}

/** What a pool says of TLS; a gateway's URL says whether there is any. */
export function tlsOf({ gateway, tls }: PoolAddresses): ReplicaTlsOptions | undefined {
  return gateway?.startsWith("https:") ? (tls ?? {}) : tls;
}
