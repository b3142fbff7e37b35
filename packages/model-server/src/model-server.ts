import { type Clock, guardedCallback, poll } from "@tensorgate/core";
import { grpcCode } from "@tensorgate/grpc";
import { createDecoderPool, decoderDefaults } from "@tensorgate/imaging";
import { ServingError } from "@tensorgate/tf-serving";
import { type FaultOptions, faultsText } from "./faults/fault-options.ts";
import { createFaultSwitch, type FaultSwitch } from "./faults/fault-switch.ts";
import { createConcurrencyLimiter } from "./hosting/concurrency.ts";
import { failureLine } from "./hosting/load-failure.ts";
import type { WantedModel } from "./hosting/loadable.ts";
import { createModelHost, type ModelHost } from "./hosting/model-host.ts";
import { createModelRegistry } from "./hosting/model-registry.ts";
import { planForDevice, planForMemory } from "./hosting/reload-plan.ts";
import { loadModel } from "./load-model.ts";
import { ModelFolderError } from "./manifest.ts";
import { createServingMetrics, type ServingMetrics } from "./metrics/serving-metrics.ts";
import { withMetrics } from "./metrics/with-metrics.ts";
import {
  type DeviceOptions,
  exclusiveDeviceDefaults,
  type ModelServer,
  type ModelServerOptions,
  modelServerDefaults,
} from "./model-server-options.ts";
import { createRestApi, type RestRequest } from "./rest/rest-api.ts";
import { listenRest, type RestServer } from "./rest/rest-server.ts";
import { listenGrpc } from "./service/grpc-server.ts";
import { withDelay } from "./service/latency.ts";
import type { LoadedModels } from "./service/loaded-models.ts";
import { createReloading } from "./service/reload-service.ts";
import { servedApis } from "./service/served-api.ts";
import { systemClock } from "./system-clock.ts";

/**
 * Loads what the server begins with, then opens the ports. A model that cannot be loaded is reported to `onWarning`,
 * and the others are served.
 *
 * @param clock - times service, swaps and delays
 * @throws ModelFolderError if there is nothing to serve, or no model can be loaded; ServingError for labels that may not
 *   be given; RangeError for an invalid concurrency, times or faults
 */
export async function startModelServer(
  options: ModelServerOptions,
  clock: Clock = systemClock,
): Promise<ModelServer> {
  const { concurrency = options.lanes } = options;
  const settings = {
    ...modelServerDefaults,
    ...options,
    ...(concurrency !== undefined && { concurrency }),
  };
  const onWarning = guardedCallback(settings.onWarning);
  if (options.lanes !== undefined) onWarning("lanes is called concurrency now: rename it");
  assertLimits(concurrency, settings.serviceMs);
  const { faults, ...faultControl } = createFaultControl(settings.faults, onWarning);
  const decoders = createDecoderPool({
    options: decoderDefaults,
    clock: systemClock,
    onStartFailure: ({ cause }) => onWarning(`a decoder could not be started: ${cause}`),
  });
  const models = createHost({ settings, faults, clock });
  const ports: { close(graceMs: number): Promise<void> }[] = [];
  const close = async (graceMs: number): Promise<void> => {
    models.abortReloads();
    await Promise.all(ports.map((port) => port.close(graceMs)));
    await Promise.all([models.close(), decoders.close()]);
  };
  try {
    const sources = [options.models].flat();
    const registry = createModelRegistry({
      sources,
      reloadFolders: settings.reloadFolders,
      isLatestOnly: settings.device.kind === "exclusive",
      load: (folder) => loadModel(folder, settings, { preprocess: decoders.preprocess, onWarning }),
      onProgress: guardedCallback(options.onProgress),
    });
    const initial = initialModels(registry.atStart, settings.device);
    // A reload decides what a device holds.
    const later = settings.device.kind === "exclusive" ? [] : registry.later;
    await startModels(models, [...initial, ...later], onWarning);
    if (settings.engine === "onnx") decoders.warm();
    const reloading = createReloading(
      {
        wanted: registry.wanted,
        reload: models.reload,
        failuresIn: settings.device.kind === "exclusive" ? "response" : "error",
      },
      sources.filter((source) => "name" in source),
    );
    const served = servedModels(models, settings.device);
    const metrics = createServingMetrics();
    const isKnown = (name: string) => models.statuses(name).length > 0;
    const methods = servedApis[settings.dialect].methods({ models, served, reloading });
    const grpc = await listenGrpc(methods.map(withMetrics({ metrics, clock, isKnown })), {
      ...settings,
      faults,
      clock,
    });
    ports.push(grpc);
    const rest = await restServer(served, { settings, metrics, clock });
    if (rest) ports.push(rest);
    const watch = watchModels(models, { settings, clock, onWarning });
    return {
      port: grpc.port,
      restPort: rest?.port,
      get models() {
        return models.available().map(({ name, version }) => ({ name, version }));
      },
      faults: faultControl,
      reload: async (list) => (await reloading.reload(list, "operator")).map(failureLine),
      close: async (graceMs = 5_000) => {
        watch?.[Symbol.dispose]();
        await close(graceMs);
      },
    };
  } catch (thrown) {
    await close(0);
    throw thrown;
  }
}

type Settings = typeof modelServerDefaults & ModelServerOptions;

function createFaultControl(atStart: FaultOptions, onWarning: (warning: string) => void) {
  const warn = (faultOptions: FaultOptions) => {
    const text = faultsText(faultOptions);
    if (text !== undefined) onWarning(text);
  };
  const faults = createFaultSwitch(atStart);
  warn(atStart);
  return {
    faults,
    set: (wanted: FaultOptions) => {
      faults.set(wanted);
      warn(wanted);
    },
    clear: faults.clear,
  };
}

interface HostDeps {
  readonly settings: Settings;
  readonly faults: FaultSwitch;
  readonly clock: Clock;
}

function createHost({ settings, faults, clock }: HostDeps): ModelHost {
  const { device, concurrency, serviceMs } = settings;
  const onLoaded = guardedCallback(settings.onLoaded);
  const isExclusive = device.kind === "exclusive";
  return createModelHost({
    plan: isExclusive ? planForDevice : planForMemory,
    limiter: createConcurrencyLimiter(
      { maxConcurrency: concurrency ?? (isExclusive ? 1 : Number.POSITIVE_INFINITY), serviceMs },
      clock,
    ),
    clock,
    reconfigureMs: isExclusive
      ? (device.reconfigureMs ?? exclusiveDeviceDefaults.reconfigureMs)
      : 0,
    warmsUp: isExclusive,
    allowsUnavailableLabels: settings.allowUnavailableLabels,
    beforeLoad: faults.beforeLoad,
    onLoaded: ({ name, version }) => onLoaded({ name, version }),
  });
}

/** Loads models and reports those that cannot be served. @throws ModelFolderError if none can */
async function startModels(
  models: ModelHost,
  wanted: readonly WantedModel[],
  onWarning: (warning: string) => void,
): Promise<void> {
  const texts = (await models.start(wanted)).map(failureLine);
  if (texts.length > 0 && models.available().length === 0) {
    throw new ModelFolderError(texts.join("\n"));
  }
  for (const text of texts) onWarning(text);
}

interface WatchDeps {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly onWarning: (warning: string) => void;
}

/** Watches the folders of the models, if they are to be watched. */
function watchModels(
  models: ModelHost,
  { settings: { folderPollMs, device }, clock, onWarning }: WatchDeps,
): Disposable | undefined {
  if (folderPollMs === 0 || device.kind === "exclusive") return undefined;
  const scan = async () => {
    for (const failure of await models.scanFolders()) onWarning(failureLine(failure));
  };
  return poll(scan, { intervalMs: folderPollMs, clock });
}

interface RestServerDeps {
  readonly settings: Settings;
  readonly metrics: ServingMetrics;
  readonly clock: Clock;
}

/** Opens the port of the REST API, if there is to be one. */
async function restServer(
  models: LoadedModels,
  { settings, metrics, clock }: RestServerDeps,
): Promise<RestServer | undefined> {
  const { restPort: port, restTimeoutMs, restCors, metricsPath, roundTripMs, host } = settings;
  if (port === undefined || !servedApis[settings.dialect].hasRest) return undefined;
  const answer = createRestApi({ models, timeoutMs: restTimeoutMs, clock, metrics });
  const distant = (request: RestRequest) =>
    roundTripMs === 0 ? answer(request) : withDelay(roundTripMs, clock, () => answer(request));
  return listenRest(distant, {
    host,
    port,
    enablesCors: restCors,
    metrics: metricsPath === undefined ? undefined : { path: metricsPath, text: metrics.text },
  });
}

function assertLimits(concurrency: number | undefined, serviceMs: number): void {
  if (concurrency !== undefined && !(concurrency >= 1)) {
    throw new RangeError(`concurrency must be 1 or more, got ${concurrency}`);
  }
  if (!(serviceMs >= 0)) throw new RangeError(`serviceMs must not be negative, got ${serviceMs}`);
}

/**
 * Selects the models that are loaded at the start: all of them, or the one that a device holds first.
 *
 * @throws ModelFolderError if that one is not found
 */
function initialModels(all: readonly WantedModel[], device: DeviceOptions): readonly WantedModel[] {
  if (device.kind === "shared") return all;
  const { startWith } = device;
  if (startWith === undefined) return all.slice(0, 1);
  if (startWith === false) return [];
  const named = all.filter(({ name }) => name === startWith);
  if (named.length > 0) return named;
  throw new ModelFolderError(
    `unknown model "${startWith}"; models: ${all.map(({ name }) => name).join(", ")}`,
  );
}

function servedModels(models: ModelHost, device: DeviceOptions): LoadedModels {
  const duringSwap =
    device.kind === "exclusive" ? device.duringSwap : exclusiveDeviceDefaults.duringSwap;
  const reportsSwap = duringSwap === "unavailable";
  return {
    get: models.get,
    labelledVersion: models.labelledVersion,
    labelsOf: models.labelsOf,
    statuses: models.statuses,
    available: models.available,
    unavailableError: (name) =>
      reportsSwap && models.isInTransition(name)
        ? new ServingError(grpcCode.UNAVAILABLE, `model ${name} is being swapped`)
        : undefined,
  };
}
