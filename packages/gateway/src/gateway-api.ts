import type { MeterProvider, TracerProvider } from "@opentelemetry/api";
import type { ClockAndRandom, GatewayStatus, ScoringError } from "@tensorgate/core";
import type { GatewayOptions } from "./config/gateway-options.ts";
import type { Devices } from "./devices/devices.ts";
import type { InboundLoad } from "./inbound/inbound.ts";
import type { SimulatedOutages } from "./inbound/protocols/rest/outage-routes.ts";
import type { ConsoleFiles } from "./inbound/protocols/rest/public-routes.ts";
import type { RejectedConnections } from "./inbound/server/listener/rejections.ts";
import type { CertificateNews } from "./inbound/server/listener/tls-acceptor.ts";
import type { Rollouts } from "./rollout/rollouts.ts";
import type { StateChange } from "./routing/scheduler/events.ts";
import type { CallRecord } from "./telemetry/call-record.ts";

export interface Gateway {
  /** Base URL, once it listens. */
  readonly url: string;
  readonly port: number;
  /** Binds the port. @throws the system's error if the port is taken */
  listen(): Promise<void>;
  /** Replicas that hold one model at a time, and their swaps. */
  readonly devices: Devices;
  /** Which versions answer calls that name none, and shadows of them. */
  readonly rollouts: Rollouts;
  /** Returns what is in flight now. */
  load(): GatewayLoad;
  /** Returns the status with the addresses of replicas: for operators, not for clients. */
  status(): GatewayStatus;
  /**
   * Replaces models, pools and keys while calls are in flight; no call fails for it. Replicas that stay keep their
   * connections and their statistics.
   *
   * @returns other sections of the configuration that differ; they take effect after a restart
   * @throws ConfigError or SettingError; then nothing has changed
   */
  reload(options: GatewayOptions): { readonly needRestart: readonly string[] };
  /** Resolves as soon as every pool can serve, which is more than `/readyz` requires. */
  ready(): Promise<void>;
  /**
   * Drains: reports not ready, serves for `drainDelayMs`, then accepts no new connection and finishes calls in flight.
   *
   * @param graceMs - after which open calls are cut, counted from the end of the delay; 10 s by default
   * @param drainDelayMs - `listen.drainDelayMs` by default; 0 if `graceMs` is 0
   */
  close(graceMs?: number, drainDelayMs?: number): Promise<void>;
}

export interface GatewayLoad extends InboundLoad {
  /** Process ids of the decoders that run. */
  readonly decoders: readonly number[];
}

/** A state change of a replica. */
export interface ReplicaChange extends StateChange {
  /** Name that clients see. */
  readonly alias: string;
}

/**
 * What a gateway needs beside its configuration. Callbacks may throw or reject: that fails no call, and is reported
 * to `onInternalError` under the name of what failed (`call`, `certificates`, `replica`, `telemetry`).
 */
export interface GatewayDeps {
  /** Page to serve at `/`. */
  readonly console?: ConsoleFiles;
  /** Regions with a simulated outage that clients can switch: only for demonstrations. */
  readonly outages?: SimulatedOutages;
  /** Called for internal errors, with the request id that the client got. */
  readonly onInternalError?: (error: ScoringError, requestId: string) => void;
  /** Called when a certificate of `listen.tls` was reloaded, and when one is invalid. */
  readonly onCertificates?: (news: CertificateNews) => void;
  /** Called for rejected connections, at most every ten seconds for each reason. */
  readonly onRejectedConnections?: (rejected: RejectedConnections) => void;
  /** Called for every state change of a replica. */
  readonly onReplica?: (change: ReplicaChange) => void;
  /** Called for every call that has ended. */
  readonly onCall?: (record: CallRecord) => void;
  /** Provider for metrics; the globally registered one by default. */
  readonly meterProvider?: MeterProvider;
  /** Provider for spans; the globally registered one by default. */
  readonly tracerProvider?: TracerProvider;
  readonly clockAndRandom?: ClockAndRandom;
  /**
   * Whether other processes of the same user may listen on the port, too: connections are distributed among them. Not on
   * macOS and Windows.
   * @default false
   */
  readonly isPortShared?: boolean;
  /** Adds to the status for clients what others know that serve as one with this gateway. */
  readonly joinStatus?: (own: GatewayStatus) => GatewayStatus;
}
