import type { Dialect } from "@tensorgate/tf-serving";
import type { ReplicaTlsOptions, UpstreamKeyOptions } from "./options.ts";

/** Where the replicas of one model in one region are, and how they want to be spoken to. */
export interface PoolAddresses {
  readonly model: string;
  readonly region: string;
  /** `host:port` of each, or `dns:///name:port` for every address of a name. */
  readonly replicas: readonly string[];
  readonly dialect?: Dialect;
  /** Name of the service by which a cluster finds the container. */
  readonly service?: string;
  readonly tls?: ReplicaTlsOptions;
  readonly key?: UpstreamKeyOptions;
}

/** What routing may know of a pool: ids mean nothing to it. */
export interface PoolMembers {
  readonly model: string;
  readonly region: string;
  readonly replicaIds: readonly string[];
}
