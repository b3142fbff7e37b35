import type { Dialect as DialectName } from "@tensorgate/core";
import type { ReplicaTlsOptions, UpstreamKeyOptions } from "./transport/options.ts";

export { dialects } from "@tensorgate/tf-serving";
export { dialectNamed, dialectsWith } from "./dialects/dialects.ts";
export {
  type ChannelOptions,
  channelDefaults,
  channelSchema,
  type ReplicaTlsOptions,
  replicaTlsSchema,
  type UpstreamKeyOptions,
  upstreamKeySchema,
} from "./transport/options.ts";

/** Where the replicas of one model in one region are, and how they are reached. */
export interface ReplicaPoolOptions {
  /** Name of a model under `models`. */
  readonly model: string;
  readonly region: string;
  /**
   * Dialect of the replicas.
   * @default "tensorflow-serving"
   */
  readonly dialect?: DialectName;
  /** Name of the service, where a cluster finds the container by it: it becomes a header of every call. */
  readonly service?: string;
  /**
   * `host:port` of each; `dns:///name:port` stands for a replica at every address of the name. A pool has these, or it
   * has `gateway`.
   */
  readonly replicas?: readonly string[];
  /** `http://host:port` or `https://host:port` of the gateway of that region, which knows its replicas. */
  readonly gateway?: string;
  /**
   * Calls that each replica works on at once: a number, or `auto` where that is to be learnt. A device is given one more
   * than it works on, so that it never waits for the next; the default is 1 for the dialects of devices, otherwise
   * `auto`.
   */
  readonly parallelism?: number | "auto";
  /**
   * Whether each replica is a device that holds one model at a time, as an FPGA does. Pools of other models may name the
   * same replicas: each serves the model that it holds, and a swap makes it hold another. `parallelism` is 1 unless it
   * is given.
   * @default false
   */
  readonly exclusive?: boolean;
  /** TLS to the replicas; `{}` trusts whom the system trusts. Without it they are spoken to in plaintext. */
  readonly tls?: ReplicaTlsOptions;
  /** The gateway's own key at the replicas. */
  readonly key?: UpstreamKeyOptions;
}
