import { consoleFiles } from "@tensorgate/console";
import { SettingError } from "@tensorgate/core";
import {
  ConfigError,
  createGateway,
  type Gateway,
  type GatewayDeps,
  type GatewayOptions,
  type SimulatedOutages,
  systemClockAndRandom,
} from "@tensorgate/gateway";
import { CommandError, explainedListenError } from "../command-error.ts";
import { deviceRoutes } from "../device/device-routes.ts";
import { rolloutRoutes } from "../rollout/rollout-routes.ts";
import { keepHeapSmall } from "../service/small-heap.ts";
import { type AdminRoute, type AdminServer, jsonRoute, startAdminServer } from "./admin-server.ts";
import type { Log } from "./log.ts";
import { observeLog } from "./log-metrics.ts";
import { openTelemetry } from "./open-telemetry.ts";

export interface AdminAddress {
  readonly host: string;
  readonly port: number;
}

/** A running gateway with page, log, metrics and admin port. */
export interface RunningGateway {
  readonly gateway: Gateway;
  /** URL of the admin port; undefined if it is in use and not required. */
  readonly adminUrl: string | undefined;
  close(how?: CloseOptions): Promise<void>;
}

export interface CloseOptions {
  /** Grace period for calls in flight, in milliseconds. */
  readonly graceMs?: number;
  /** Whether a user waits: load balancers then get no time to notice the stop. */
  readonly isInteractive?: boolean;
}

export interface RunGatewayOptions {
  readonly options: GatewayOptions;
  readonly admin: AdminAddress;
  /** Whether the start fails if the admin port is in use; otherwise a line is logged. */
  readonly isAdminNeeded: boolean;
  readonly log: Log;
  readonly outages?: SimulatedOutages;
  /** Whether the page offers sample pictures, which are drawings for the bundled models. */
  readonly hasSamples?: boolean;
  /** Further routes of the admin port. */
  readonly adminRoutes?: readonly AdminRoute[];
  /** What a gateway needs that is one of several on a port. */
  readonly shared?: Pick<GatewayDeps, "isPortShared" | "joinStatus">;
}

/**
 * Starts a gateway with page, log, metrics and admin port.
 *
 * @throws CommandError if a port is in use, or the options or a file that they name are invalid
 */
export async function runGateway(run: RunGatewayOptions): Promise<RunningGateway> {
  keepHeapSmall();
  const { options, admin, isAdminNeeded, log, outages, hasSamples = false } = run;
  const telemetry = await openTelemetry();
  const gateway = buildGateway(options, {
    console: consoleFiles({ hasSamples }),
    ...(outages && { outages }),
    ...run.shared,
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
    ...rolloutRoutes(gateway.rollouts, log.info),
    ...(run.adminRoutes ?? []),
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
      await Promise.race([telemetry.close(), delay(exportMs)]);
    },
  };
}

function buildGateway(...[options, parts]: Parameters<typeof createGateway>): Gateway {
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

/** Time limit for exporting the last metrics and spans, in milliseconds: the collector may not respond. */
const exportMs = 5_000;

function delay(delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    systemClockAndRandom.clock.setTimer(delayMs, resolve);
  });
}
