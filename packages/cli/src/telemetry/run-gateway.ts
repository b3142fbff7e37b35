import { consoleFiles } from "@tensorgate/console";
import { SettingError } from "@tensorgate/core";
import {
  ConfigError,
  createGateway,
  type Gateway,
  type GatewayOptions,
  type RegionPlugs,
  systemClockAndRandom,
} from "@tensorgate/gateway";
import { CommandError, explainedListenError } from "../command-error.ts";
import { deviceRoutes } from "../device/device-routes.ts";
import { type AdminRoute, type AdminServer, jsonRoute, startAdminServer } from "./admin-server.ts";
import type { Log } from "./log.ts";
import { observeLog } from "./log-metrics.ts";
import { openTelemetry } from "./open-telemetry.ts";

export interface AdminAddress {
  readonly host: string;
  readonly port: number;
}

/** A gateway with its page, its log, its metrics and its admin port. */
export interface RunningGateway {
  readonly gateway: Gateway;
  /** Where the admin port answers; undefined where it could not be had and is not needed. */
  readonly adminUrl: string | undefined;
  close(how?: CloseOptions): Promise<void>;
}

export interface CloseOptions {
  /** How long what is in flight may take, in milliseconds. */
  readonly graceMs?: number;
  /** Whether a person waits, and no load balancer has to notice first. */
  readonly isInteractive?: boolean;
}

export interface RunGatewayOptions {
  readonly options: GatewayOptions;
  readonly admin: AdminAddress;
  /** Whether it is an error if the admin port is taken, rather than a note. */
  readonly isAdminNeeded: boolean;
  readonly log: Log;
  readonly plugs?: RegionPlugs;
}

/** @throws CommandError if a port is taken, or the options or a file that they name cannot be used */
export async function runGateway(parts: RunGatewayOptions): Promise<RunningGateway> {
  const { options, admin, isAdminNeeded, log, plugs } = parts;
  const telemetry = openTelemetry();
  const gateway = built(options, {
    console: consoleFiles(),
    ...(plugs && { plugs }),
    meterProvider: telemetry.meterProvider,
    ...(telemetry.tracerProvider && { tracerProvider: telemetry.tracerProvider }),
    onInternalError: log.internalError,
    onCall: log.call,
    onCertificates: log.certificates,
    onRejectedConnections: log.rejectedConnections,
    onReplica: log.replica,
  });
  observeLog(telemetry.meterProvider.getMeter("tensorgate"), log.state);
  await listen(gateway, options);
  const routes: readonly AdminRoute[] = [
    {
      method: "GET",
      path: "/metrics",
      isLocal: false,
      handle: ({ request, response }) => telemetry.prometheus(request, response),
    },
    jsonRoute("/status", () => ({ ...gateway.status(), log: log.state() })),
    ...deviceRoutes(gateway.devices, log.info),
  ];
  let adminServer: AdminServer | undefined;
  try {
    adminServer = await startAdminServer(admin, routes);
  } catch (thrown) {
    const error = explainedListenError(thrown, admin, "--admin-port");
    if (isAdminNeeded) {
      await gateway.close(0);
      throw error;
    }
    log.info(`metrics are off: ${error.message}`);
  }
  return {
    gateway,
    adminUrl: adminServer?.url,
    close: async ({ graceMs, isInteractive = false } = {}) => {
      await gateway.close(graceMs, isInteractive ? 0 : undefined);
      await adminServer?.close();
      await Promise.race([telemetry.close(), later(exportMs)]);
    },
  };
}

function built(...[options, parts]: Parameters<typeof createGateway>): Gateway {
  try {
    return createGateway(options, parts);
  } catch (thrown) {
    const isTheirs = thrown instanceof SettingError || thrown instanceof ConfigError;
    throw isTheirs ? new CommandError(thrown.message) : thrown;
  }
}

async function listen(gateway: Gateway, { listen: address }: GatewayOptions): Promise<void> {
  try {
    await gateway.listen();
  } catch (thrown) {
    const { host = "127.0.0.1", port = 8_080 } = address ?? {};
    throw explainedListenError(thrown, { host, port });
  }
}

/** How long the last metrics and spans may take to be exported, in milliseconds: a collector may not answer. */
const exportMs = 5_000;

function later(delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    systemClockAndRandom.clock.setTimer(delayMs, resolve);
  });
}
