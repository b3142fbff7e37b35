import type {
  DeviceOptions,
  FaultOptions,
  ModelServer,
  ModelSource,
  RequestFault,
} from "@tensorgate/model-server";
import type { Dialect, FamilyName } from "@tensorgate/tf-serving";
import { CommandError, explainedListenError } from "../command-error.ts";
import { importModelServer } from "../import-model-server.ts";
import type { FaultFlag } from "../option-parsers.ts";
import { progressLine } from "../progress-line.ts";
import { runService, type Service } from "../service/service.ts";
import type { Signals } from "../service/signals.ts";

export interface ModelServerCommandOptions {
  readonly host: string;
  readonly port: number;
  readonly threads: number;
  readonly roundTrip: number;
  readonly models?: string;
  readonly model_name?: string;
  readonly model_base_path?: string;
  readonly family?: readonly FamilyName[];
  readonly cache?: string;
  readonly counter?: boolean;
  readonly dialect: Dialect;
  readonly device: "shared" | "exclusive";
  /** False for no model. */
  readonly model?: string | false;
  readonly reconfigureMs?: number;
  readonly duringSwap?: "not-found" | "unavailable";
  readonly engine: "onnx" | "none";
  readonly serviceMs: number;
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
  return runService({ signals }, (service) => modelServerUntilSignal(options, service));
}

async function modelServerUntilSignal(
  options: ModelServerCommandOptions,
  { log, announce, ...service }: Service,
): Promise<void> {
  const stopped = Promise.race([service.stopped, waitForDisconnect()]);
  const { startModelServer, bundledModelsDirectory } = await importModelServer();
  const { host, port, threads, dialect, roundTrip: roundTripMs } = options;
  const { engine, serviceMs, lanes, reloadFrom: reloadFolders = [] } = options;
  let server: ModelServer;
  try {
    server = await startModelServer({
      host,
      port,
      threads: Math.max(1, threads),
      dialect,
      roundTripMs,
      engine,
      serviceMs,
      reloadFolders,
      ...(lanes !== undefined && { lanes }),
      device: deviceFrom(options),
      faults: faultsFrom(options),
      onWarning: (warning) => log.warn(warning),
      models: sourcesFrom(options, bundledModelsDirectory),
      onProgress: (progress) => log.info(progressLine(progress)),
      onLoaded: ({ name, version }) => {
        if (!process.connected) log.info(`loaded ${name}, version ${version}`);
      },
    });
  } catch (thrown) {
    if (thrown instanceof Error && thrown.name === "ModelFolderError") {
      throw new CommandError(thrown.message);
    }
    if (thrown instanceof Error && /EADDRINUSE|No address added/.test(thrown.message)) {
      throw explainedListenError(Object.assign(thrown, { code: "EADDRINUSE" }), { host, port });
    }
    throw thrown;
  }
  const message: ListeningMessage = { type: "listening", port: server.port };
  if (process.connected) process.send?.(message);
  else announce(`ready: gRPC at ${host}:${server.port}\n`);
  await stopped;
  await server.close();
  if (process.connected) process.disconnect();
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
    model_name: name,
    model_base_path: basePath,
    family: families,
    cache,
    counter,
  }: ModelServerCommandOptions,
  bundled: string,
): readonly ModelSource[] {
  if (models !== undefined && basePath !== undefined) {
    throw new CommandError("set --models or --model_base_path, not both");
  }
  const made: readonly ModelSource[] = [
    ...(families ? [{ families, ...(cache !== undefined && { cacheFolder: cache }) }] : []),
    ...(counter ? [{ counter }] : []),
  ];
  if (basePath !== undefined) return [{ name: name ?? "default", basePath }, ...made];
  if (models !== undefined || made.length === 0) return [{ directory: models ?? bundled }, ...made];
  return made;
}

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
