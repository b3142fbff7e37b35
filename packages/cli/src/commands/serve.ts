import { type GatewayOptions, systemClockAndRandom } from "@tensorgate/gateway";
import { watchHeads } from "../heads/watch-heads.ts";
import { createRegistryAdmin } from "../registry/admin/registry-admin.ts";
import { registryRoutes } from "../registry/admin/registry-routes.ts";
import { createConfigReload } from "../serve/config-reload.ts";
import { watchConfig } from "../serve/config-watch.ts";
import { watchManifests } from "../serve/watch-manifests.ts";
import { runService, type Service } from "../service/service.ts";
import type { Signals } from "../service/signals.ts";
import type { AdminRoute } from "../telemetry/admin-server.ts";
import { runGateway } from "../telemetry/run-gateway.ts";
import { readConfig, readConfigAgain } from "./config.ts";

export interface ServeOptions {
  readonly config: string;
  readonly host?: string;
  readonly port?: number;
  readonly adminHost: string;
  readonly adminPort: number;
  readonly region?: string;
  /** Folder of a registry whose heads are served. */
  readonly registry?: string;
  /** Folders that calls on the admin port may register from. */
  readonly registerFrom?: readonly string[];
  /** Whether the configuration is reloaded when its file changes. */
  readonly watch: boolean;
}

/** Runs a gateway until a signal stops it. */
export function runServe(options: ServeOptions, signals: Signals): Promise<void> {
  return runService({ signals, hasReload: true }, (service) => serveUntilSignal(options, service));
}

async function serveUntilSignal(
  serve: ServeOptions,
  { log, stopped, announce, onHangup }: Service,
): Promise<void> {
  const { config: file, adminHost, adminPort, watch, registry } = serve;
  const fromFile = withFlags(readConfig(file), serve);
  using manifests = watchManifests({ log, clock: systemClockAndRandom.clock });
  await manifests.look(fromFile);
  const configured = manifests.described(fromFile);
  let models = configured.models;
  using heads =
    registry === undefined
      ? undefined
      : await watchHeads({
          directory: registry,
          configured: () => models ?? [],
          log,
          clock: systemClockAndRandom.clock,
        });
  const withHeads = (options: GatewayOptions): GatewayOptions => {
    models = options.models;
    if (!heads || heads.models.length === 0) return options;
    return { ...options, models: [...(options.models ?? []), ...heads.models] };
  };
  const initial = withHeads(configured);
  let seen = fromFile;
  const read = () => {
    seen = withFlags(readConfigAgain(file), serve);
    return withHeads(manifests.described(seen));
  };
  const admin = { host: adminHost, port: adminPort };
  const adminRoutes = adminRoutesOf(serve, log.info);
  const running = await runGateway({
    options: initial,
    admin,
    isAdminNeeded: true,
    log,
    adminRoutes,
  });
  const { gateway, adminUrl } = running;

  const reload = createConfigReload({ file, read, gateway, initial, log });
  onHangup(reload.now);
  const watching = watch
    ? watchConfig(file, {
        onChange: reload.ifChanged,
        onError: ({ message }) => {
          log.warn(`cannot watch ${file}: ${message}; send SIGHUP to reload it`);
        },
        clock: systemClockAndRandom.clock,
      })
    : undefined;
  heads?.watch(reload.ifChanged);
  manifests.watch({ options: () => seen, onChange: reload.ifChanged });
  // The file may have changed during the start.
  if (watch) reload.ifChanged();
  announce(`ready: ${gateway.url}\nmetrics: ${adminUrl}/metrics\n`);

  const signal = await stopped;
  watching?.[Symbol.dispose]();
  log.info("stopping: draining calls in flight");
  await running.close({ isInteractive: signal === "SIGINT" });
}

function adminRoutesOf(
  { registry: directory, registerFrom = [] }: ServeOptions,
  log: (text: string) => void,
): readonly AdminRoute[] {
  return directory === undefined
    ? []
    : registryRoutes(createRegistryAdmin({ directory, registerFrom, log }));
}

/** Time for load balancers to notice that this gateway stops, in milliseconds. */
const drainDelayMs = 5_000;

/** Returns the options, in which flags override the file. */
function withFlags(
  file: GatewayOptions,
  { host, port, region }: Pick<ServeOptions, "host" | "port" | "region">,
): GatewayOptions {
  return {
    ...file,
    ...(region && { region }),
    listen: {
      drainDelayMs,
      ...file.listen,
      ...(host && { host }),
      ...(port !== undefined && { port }),
    },
  };
}
