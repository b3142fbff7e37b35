import { poll } from "@tensorgate/core";
import { systemClockAndRandom } from "@tensorgate/gateway";
import type {
  DeviceOptions,
  FaultOptions,
  ModelServer,
  ModelSource,
  RequestFault,
} from "@tensorgate/model-server";
import type { FamilyName, ServingDialect } from "@tensorgate/tf-serving";
import { CommandError, explainedListenError } from "../command-error.ts";
import { importModelServer } from "../import-model-server.ts";
import { createModelConfigReload, readFlagFile } from "../model-config/model-config-file.ts";
import type { FaultFlag } from "../option-parsers.ts";
import { progressLine } from "../progress-line.ts";
import { createRegistryAdmin } from "../registry/admin/registry-admin.ts";
import { registryRoutes } from "../registry/admin/registry-routes.ts";
import { runService, type Service } from "../service/service.ts";
import type { Signals } from "../service/signals.ts";
import { type AdminServer, startAdminServer } from "../telemetry/admin-server.ts";

export interface ModelServerCommandOptions {
  readonly host: string;
  readonly port: number;
  readonly threads: number;
  readonly roundTrip: number;
  readonly models?: string;
  readonly registry?: string;
  /** References such as `resnet50@champion`. */
  readonly serve?: readonly string[];
  readonly model_name?: string;
  readonly model_base_path?: string;
  readonly model_config_file?: string;
  /** In milliseconds, as all intervals here. */
  readonly model_config_file_poll_wait_seconds: number;
  readonly file_system_poll_wait_seconds: number;
  readonly allow_version_labels_for_unavailable_models?: boolean;
  /** 0 for none. */
  readonly rest_api_port: number;
  readonly adminPort?: number;
  /** Folders that calls on the admin port may register from. */
  readonly registerFrom?: readonly string[];
  readonly rest_api_timeout_in_ms: number;
  readonly rest_api_enable_cors_support?: boolean;
  readonly monitoring_config_file?: string;
  readonly family?: readonly FamilyName[];
  readonly cache?: string;
  readonly counter?: boolean;
  readonly dialect: ServingDialect;
  readonly device: "shared" | "exclusive";
  /** False for no model. */
  readonly model?: string | false;
  readonly reconfigureMs?: number;
  readonly duringSwap?: "not-found" | "unavailable";
  readonly engine: "onnx" | "none";
  readonly serviceMs: number;
  readonly concurrency?: number;
  /** The old name of `concurrency`; the server warns of it. */
  readonly lanes?: number;
  readonly reloadFrom?: readonly string[];
  readonly fault?: readonly FaultFlag[];
  readonly faultShare: number;
  readonly faultSeed: number;
}

/** Message of a child process to its parent when it listens. */
export interface ListeningMessage {
  readonly type: "listening";
  readonly port: number;
}

/** Runs a model server until a signal stops it, or until its parent process ends. */
export function runModelServer(
  options: ModelServerCommandOptions,
  signals: Signals,
): Promise<void> {
  const hasReload = options.model_config_file !== undefined;
  return runService({ signals, hasReload }, (service) => modelServerUntilSignal(options, service));
}

async function modelServerUntilSignal(
  options: ModelServerCommandOptions,
  { log, announce, onHangup, ...service }: Service,
): Promise<void> {
  const stopped = Promise.race([service.stopped, waitForDisconnect()]);
  const { startModelServer, bundledModelsDirectory, ...files } = await importModelServer();
  const { host, port, threads, dialect, roundTrip: roundTripMs } = options;
  const { engine, serviceMs, concurrency, lanes, reloadFrom: reloadFolders = [] } = options;
  const { model_config_file: file, rest_api_port: restPort } = options;
  const read = () => (file === undefined ? [] : readFlagFile(file, files.readModelConfig));
  const listed = read();
  const { monitoring_config_file: monitoring } = options;
  const metricsPath =
    monitoring === undefined ? undefined : readFlagFile(monitoring, files.readMonitoringConfig);
  let server: ModelServer;
  try {
    server = await startModelServer({
      host,
      port,
      threads: Math.max(1, threads),
      dialect,
      ...(restPort !== 0 && { restPort }),
      ...(metricsPath !== undefined && { metricsPath }),
      restTimeoutMs: options.rest_api_timeout_in_ms,
      restCors: options.rest_api_enable_cors_support ?? false,
      folderPollMs: options.file_system_poll_wait_seconds,
      allowUnavailableLabels: options.allow_version_labels_for_unavailable_models ?? false,
      roundTripMs,
      engine,
      serviceMs,
      reloadFolders,
      ...(concurrency !== undefined && { concurrency }),
      ...(lanes !== undefined && { lanes }),
      device: deviceFrom(options),
      faults: faultsFrom(options),
      onWarning: (warning) => log.warn(warning),
      models: [...listed, ...sourcesFrom(options, bundledModelsDirectory)],
      onProgress: (progress) => log.info(progressLine(progress)),
      onLoaded: ({ name, version }) => {
        if (!process.connected) log.info(`loaded ${name}, version ${version}`);
      },
    });
  } catch (thrown) {
    throw startError(thrown, options);
  }
  const admin = await adminServer(options, log.info).catch(async (thrown: unknown) => {
    await server.close(0);
    throw thrown;
  });
  using _poll = file === undefined ? undefined : reloadWhenAsked(file);

  function reloadWhenAsked(name: string): Disposable | undefined {
    const reload = createModelConfigReload({ file: name, read, server, initial: listed, log });
    onHangup(() => void reload.now());
    const intervalMs = options.model_config_file_poll_wait_seconds;
    const { clock } = systemClockAndRandom;
    return intervalMs === 0 ? undefined : poll(reload.ifChanged, { intervalMs, clock });
  }
  const message: ListeningMessage = { type: "listening", port: server.port };
  if (process.connected) process.send?.(message);
  else {
    const rest = server.restPort === undefined ? "" : `, REST at ${host}:${server.restPort}`;
    const adminText = admin ? `\nadmin: ${admin.url}` : "";
    announce(`ready: gRPC at ${host}:${server.port}${rest}${adminText}\n`);
  }
  await stopped;
  await admin?.close();
  await server.close();
  if (process.connected) process.disconnect();
}

/** Opens the admin port, if there is to be one. @throws CommandError if it is in use */
async function adminServer(
  { adminPort: port, registry, serve, registerFrom = [] }: ModelServerCommandOptions,
  log: (text: string) => void,
): Promise<AdminServer | undefined> {
  if (port === undefined) return undefined;
  if (registry === undefined && serve === undefined) {
    throw new CommandError(
      "--admin-port requires --registry: it is the registry that calls change",
    );
  }
  const directory = registryFolder(registry);
  const address = { host: "127.0.0.1", port };
  try {
    const routes = registryRoutes(createRegistryAdmin({ directory, registerFrom, log }));
    return await startAdminServer(address, routes);
  } catch (thrown) {
    throw explainedListenError(thrown, address, "--admin-port");
  }
}

/** Explains why a model server could not be started; returns any other error unchanged. */
function startError(
  thrown: unknown,
  { host, port, rest_api_port: restPort }: ModelServerCommandOptions,
): unknown {
  if (!(thrown instanceof Error)) return thrown;
  if (["ModelFolderError", "ServingError", "RegistryError"].includes(thrown.name)) {
    return new CommandError(thrown.message);
  }
  if (!/EADDRINUSE|No address added/.test(thrown.message)) return thrown;
  const isRest = "port" in thrown && thrown.port === restPort;
  const error = Object.assign(thrown, { code: "EADDRINUSE" });
  return isRest
    ? explainedListenError(error, { host, port: restPort }, "--rest_api_port")
    : explainedListenError(error, { host, port });
}

/** Returns the device options. @throws CommandError for flags of an exclusive device without one */
export function deviceFrom({
  device: kind,
  model: startWith,
  reconfigureMs,
  duringSwap,
}: ModelServerCommandOptions): DeviceOptions {
  const settings = {
    ...(startWith !== undefined && { startWith }),
    ...(reconfigureMs !== undefined && { reconfigureMs }),
    ...(duringSwap !== undefined && { duringSwap }),
  };
  if (kind === "exclusive") return { kind, ...settings };
  if (Object.keys(settings).length === 0) return { kind };
  throw new CommandError(
    "--model, --no-model, --reconfigure-ms and --during-swap require --device exclusive",
  );
}

export function faultsFrom({
  fault: flags = [],
  faultShare: share,
  faultSeed: seed,
}: ModelServerCommandOptions): FaultOptions {
  const count = (kind: FaultFlag["kind"]) => flags.filter((flag) => flag.kind === kind).length;
  const requests = flags.filter(isRequestFault).map((fault) => ({ fault, share }));
  return { seed, requests, failLoads: count("fail-load"), stickLoads: count("stick-load") };
}

function isRequestFault(flag: FaultFlag): flag is RequestFault {
  return flag.kind !== "fail-load" && flag.kind !== "stick-load";
}

function sourcesFrom(
  {
    models,
    registry,
    serve,
    model_name: name,
    model_base_path: basePath,
    family: families,
    cache,
    counter,
    model_config_file: file,
  }: ModelServerCommandOptions,
  bundled: string,
): readonly ModelSource[] {
  if (models !== undefined && basePath !== undefined) {
    throw new CommandError("set --models or --model_base_path, not both");
  }
  const made: readonly ModelSource[] = [
    ...registrySources(registry, serve),
    ...(families ? [{ families, ...(cache !== undefined && { cacheFolder: cache }) }] : []),
    ...(counter ? [{ counter }] : []),
  ];
  // As in the original, the flags of a single model do not count beside a file.
  if (file !== undefined) return models === undefined ? made : [{ directory: models }, ...made];
  if (basePath !== undefined) return [{ name: name ?? "default", basePath }, ...made];
  if (models !== undefined || made.length === 0) return [{ directory: models ?? bundled }, ...made];
  return made;
}

/** All models of a registry, or the versions that are named. */
function registrySources(
  registry: string | undefined,
  serve: readonly string[] | undefined,
): readonly ModelSource[] {
  const directory = registryFolder(registry);
  if (serve !== undefined) return [{ registry: directory, serve }];
  // A registry may be begun while its server runs.
  return registry === undefined ? [] : [{ directory, mayBeEmpty: true }];
}

const registryFolder = (registry: string | undefined): string =>
  registry ?? (process.env["TENSORGATE_REGISTRY"] || "./registry");

/** Resolves when the parent process ends or sends `stop`. */
function waitForDisconnect(): Promise<void> {
  // The parent may have ended before this point.
  if (process.send && !process.connected) return Promise.resolve();
  if (!process.connected) return new Promise(() => {});
  return new Promise((resolve) => {
    process.once("disconnect", () => resolve());
    process.on("message", (message) => {
      if (message === "stop") resolve();
    });
  });
}
