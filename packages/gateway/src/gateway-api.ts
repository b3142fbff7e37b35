import type { MeterProvider, TracerProvider } from "@opentelemetry/api";
import type { ClockAndRandom, GatewayStatus, ScoringError } from "@tensorgate/core";
import type { GatewayOptions } from "./config/gateway-options.ts";
import type { Devices } from "./devices/devices.ts";
import type { RegionPlugs } from "./inbound/protocols/rest/plug-routes.ts";
import type { ConsoleFiles } from "./inbound/protocols/rest/public-routes.ts";
import type { RejectedConnections } from "./inbound/server/listener/connections.ts";
import type { CertificateNews } from "./inbound/server/listener/tls-acceptor.ts";
import type { StateChange } from "./routing/scheduler/events.ts";
import type { CallRecord } from "./telemetry/call-record.ts";

export interface Gateway {
  /** Where it answers, once it listens. */
  readonly url: string;
  readonly port: number;
  /** @throws the system's error if the port is taken */
  listen(): Promise<void>;
  /** Replicas that hold one model at a time, and how another one comes onto them. */
  readonly devices: Devices;
  /** How much is under way at this moment. */
  load(): GatewayLoad;
  /** How everything is doing, with the addresses of replicas: for whoever runs the gateway, not for callers. */
  status(): GatewayStatus;
  /**
   * Takes other models, pools and keys in the place of those there are, while calls are in flight: none is lost for it.
   * Replicas that stay keep their connections and what is known of them.
   *
   * @returns sections of the configuration that differ, too, and count from the next start on
   * @throws ConfigError or SettingError; then everything is as it was
   */
  reload(options: GatewayOptions): { readonly needRestart: readonly string[] };
  /** Resolves as soon as every pool can serve, which is more than `/readyz` asks for. */
  ready(): Promise<void>;
  /**
   * Says that it is not ready, goes on for `drainDelayMs`, then takes no new connection and finishes what is in flight.
   *
   * @param graceMs - after which what is left is cut, counted from the end of the delay; 10 s by default
   * @param drainDelayMs - `listen.drainDelayMs` by default, and none where `graceMs` is 0
   */
  close(graceMs?: number, drainDelayMs?: number): Promise<void>;
}

export interface GatewayLoad {
  readonly connections: number;
  /** Of all requests that are being read or worked on, and of answers that are not read yet. */
  readonly bytesInFlight: number;
  /** Process ids of the decoders that run. */
  readonly decoders: readonly number[];
}

/** A replica went from one state to another. */
export interface ReplicaChange extends StateChange {
  /** What callers know it by. */
  readonly alias: string;
}

/**
 * What a gateway is handed beside its configuration. Callbacks may throw or reject: that fails no call, and is reported
 * to `onInternalError` under the name of what failed (`call`, `certificates`, `replica`, `telemetry`).
 */
export interface GatewayParts {
  /** Page to serve at `/`. */
  readonly console?: ConsoleFiles;
  /** Regions that whoever may call can take away and give back. Only for trying what happens then. */
  readonly plugs?: RegionPlugs;
  /** Told of faults of our own, with the id that the caller was given. */
  readonly onInternalError?: (error: ScoringError, requestId: string) => void;
  /** Told of certificates of `listen.tls` that changed, and of those that could not be taken. */
  readonly onCertificates?: (news: CertificateNews) => void;
  /** Told of connections that were closed before they were used, at most every ten seconds for each reason. */
  readonly onRejectedConnections?: (rejected: RejectedConnections) => void;
  /** Told of every replica that comes, goes, is suspected or left alone. */
  readonly onReplica?: (change: ReplicaChange) => void;
  /** Told of every call that has ended. */
  readonly onCall?: (record: CallRecord) => void;
  /** Where metrics go; the globally registered provider by default. */
  readonly meterProvider?: MeterProvider;
  /** Where spans go; the globally registered provider by default. */
  readonly tracerProvider?: TracerProvider;
  readonly clockAndRandom?: ClockAndRandom;
}
