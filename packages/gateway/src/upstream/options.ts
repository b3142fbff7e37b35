import type { Dialect } from "@tensorgate/core";
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

/** The replicas of one model in one region, and how to connect to them. */
export interface ReplicaPoolOptions {
  /** Name of a model under `models`. */
  readonly model: string;
  /**
   * Name of the region, or `kubernetes:///region` or `kubernetes:///zone`: each replica is then in the region, or zone, of
   * the node that its pod runs on, which is known of replicas that are watched by `kubernetes:///service.namespace:port`.
   */
  readonly region: string;
  /**
   * Dialect of the replicas.
   * @default "tensorflow-serving"
   */
  readonly dialect?: Dialect;
  /** Service name by which a cluster routes to the container: it becomes a header of every call. */
  readonly service?: string;
  /**
   * `host:port` of each; `dns:///name:port` stands for a replica at every address of the name, and
   * `kubernetes:///service.namespace:port` for every pod of a Service that is ready. A pool has these, or it has
   * `gateway`.
   */
  readonly replicas?: readonly string[];
  /** `http://host:port` or `https://host:port` of the gateway of that region, which knows its replicas. */
  readonly gateway?: string;
  /**
   * Calls that each replica processes concurrently: a number, or `auto` to measure it. A device gets one more, so that it
   * is never idle between calls; the default is 1 for the dialects of devices, otherwise `auto`.
   */
  readonly parallelism?: number | "auto";
  /**
   * Whether each replica is a device that holds one model at a time, as an FPGA does. Pools of other models may name the
   * same replicas: each serves the model that it holds, until a swap. `parallelism` is 1 by default.
   * @default false
   */
  readonly exclusive?: boolean;
  /** TLS to the replicas; `{}` trusts the system's CAs. Plaintext without it. */
  readonly tls?: ReplicaTlsOptions;
  /** The gateway's own key at the replicas. */
  readonly key?: UpstreamKeyOptions;
}
