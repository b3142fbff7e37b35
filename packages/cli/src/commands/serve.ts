import { SettingError } from "@tensorgate/core";
import { type GatewayOptions, systemClockAndRandom, watchManifests } from "@tensorgate/gateway";
import { CommandError } from "../command-error.ts";
import { createConfigReload } from "../serve/config-reload.ts";
import { reloadOnChange } from "../serve/config-watch.ts";
import { thisWorker, type Worker } from "../serve/workers/worker.ts";
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
  /** Processes that share the port. */
  readonly workers: number;
}

/** Runs a gateway until a signal stops it. */
export function runServe(options: ServeOptions, signals: Signals): Promise<void> {
  const worker = thisWorker();
  return runService({ signals, hasReload: true }, (service) =>
    explained(() => {
      if (worker) return serveUntilStop(options, worker.serviceOf(service), worker);
      if (options.workers > 1) return serveByMany(options, service);
      return serveUntilStop(options, service);
    }),
  );
}

/** Reports a setting that cannot be used without a stack. */
async function explained(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (thrown) {
    throw thrown instanceof SettingError ? new CommandError(thrown.message) : thrown;
  }
}

async function serveByMany(serve: ServeOptions, service: Service): Promise<void> {
  const { config: file, adminHost, adminPort, watch, workers } = serve;
  const options = {
    count: workers,
    file,
    initial: withFlags(readConfig(file), serve),
    read: () => withFlags(readConfigAgain(file), serve),
    admin: { host: adminHost, port: adminPort },
    // A conversion goes on while workers are replaced.
    adminRoutes: await adminRoutesOf(serve, service.log.info),
    isWatched: watch,
  };
  const { serveByWorkers } = await import("../serve/workers/serve-by-workers.ts");
  await serveByWorkers(options, service);
}

async function serveUntilStop(
  serve: ServeOptions,
  { log, stopped, announce, onHangup }: Service,
  worker?: Worker,
): Promise<void> {
  const { config: file, adminHost, adminPort, registry } = serve;
  const first = worker
    ? worker.shareOf(await worker.configured)
    : withFlags(readConfig(file), serve);
  using manifests = watchManifests({ log, clock: systemClockAndRandom.clock });
  await keptAlive(() => manifests.look(first));
  const configured = manifests.described(first);
  let models = configured.models;
  using heads =
    registry === undefined
      ? undefined
      : await (await import("../heads/watch-heads.ts")).watchHeads({
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
  let seen = first;
  const read = () => {
    seen = worker ? worker.shareOf(worker.inForce()) : withFlags(readConfigAgain(file), serve);
    return withHeads(manifests.described(seen));
  };
  // The process that started the workers has the admin port of all.
  const admin = worker ? { host: "127.0.0.1", port: 0 } : { host: adminHost, port: adminPort };
  const adminRoutes = worker ? [] : await adminRoutesOf(serve, log.info);
  const running = await runGateway({
    options: initial,
    admin,
    isAdminNeeded: true,
    log,
    adminRoutes,
    ...(worker && { shared: { isPortShared: true, joinStatus: worker.joinStatus } }),
  });
  const { gateway, adminUrl } = running;

  // The process that started a worker says when to reload, and logs it once.
  const reloadLog = worker ? { info: () => {}, warn: log.warn } : log;
  const reload = createConfigReload({ file, read, gateway, initial, log: reloadLog });
  onHangup(reload.now);
  heads?.watch(reload.ifChanged);
  manifests.watch({ options: () => seen, onChange: reload.ifChanged });
  const { clock } = systemClockAndRandom;
  const watching =
    serve.watch && !worker ? reloadOnChange(file, { reload, log, clock }) : undefined;
  announce(`ready: ${gateway.url}\nmetrics: ${adminUrl}/metrics\n`);
  worker?.report({ url: gateway.url, port: gateway.port, adminUrl: adminUrl ?? "" });

  const signal = await stopped;
  watching?.[Symbol.dispose]();
  if (!worker) log.info("stopping: draining calls in flight");
  await running.close({ isInteractive: signal === "SIGINT" });
}

/** Connections to replicas do not keep the process alive, and nothing else does before the gateway listens. */
async function keptAlive(work: () => Promise<void>): Promise<void> {
  const alive = setInterval(() => {}, 60_000);
  try {
    await work();
  } finally {
    clearInterval(alive);
  }
}

/** Returns the routes that change the registry, which are loaded where there is one. */
async function adminRoutesOf(
  { registry: directory, registerFrom = [] }: ServeOptions,
  log: (text: string) => void,
): Promise<readonly AdminRoute[]> {
  if (directory === undefined) return [];
  const { createRegistryAdmin } = await import("../registry/admin/registry-admin.ts");
  const { registryRoutes } = await import("../registry/admin/registry-routes.ts");
  return registryRoutes(createRegistryAdmin({ directory, registerFrom, log }));
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
