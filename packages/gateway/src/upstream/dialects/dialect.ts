import type { Clock, Dialect } from "@tensorgate/core";
import type { Replica } from "../replica.ts";
import type { UnaryChannel } from "../transport/unary-channel.ts";

/**
 * The dialect of one kind of server. Everything that differs between dialects is a property here: other modules read
 * the property, and compare no names.
 */
export interface ServerDialect {
  /** Name in the configuration; absent for gateways, which have no dialect there. */
  readonly name?: Dialect;
  /** What users call such a server. */
  readonly title: string;
  /** Whether a replica is a gateway, with a queue and replicas behind it. */
  readonly isGateway: boolean;
  /** Whether a replica is a device, which works on one request after the other. */
  readonly isDevice: boolean;
  /** Whether a replica may have several versions of a model; otherwise a request must ask for none. */
  readonly hasVersions: boolean;
  /** Whether requests name their model; otherwise a replica holds a single one. */
  readonly namesModels: boolean;
  /** Whether replicas take calls of TensorFlow Serving's API as callers encoded them. */
  readonly takesEncodedCalls: boolean;
  /** Whether a replica can be made to load another model. */
  readonly canReload: boolean;
  /** Whether a front end routes to the replica by the name of a service. */
  readonly hasServices: boolean;
  /** Whether `authorization` takes the key without "Bearer" before it. */
  readonly isKeyBare: boolean;
  /** Returns the headers that route a call to the replicas of a pool. */
  route(pool: {
    readonly region: string;
    readonly service?: string | undefined;
  }): Readonly<Record<string, string>>;
  connect(channel: UnaryChannel, options: ReplicaOptions): Replica;
}

/** Properties of a replica, beside its address. */
export interface ReplicaOptions {
  readonly region: string;
  /** Whether it holds one model at a time. */
  readonly isExclusive: boolean;
  readonly clock: Clock;
}
