import { Server } from "@grpc/grpc-js";
import { type Clock, guardedCallback } from "@tensorgate/core";
import { grpcCode } from "@tensorgate/grpc";
import { createDecoderPool, decoderDefaults } from "@tensorgate/imaging";
import { ServingError } from "@tensorgate/tf-serving";
import { type FaultOptions, faultsText } from "./faults/fault-options.ts";
import { createFaultSwitch } from "./faults/fault-switch.ts";
import { withFaults } from "./faults/with-faults.ts";
import { createLanes } from "./hosting/lanes.ts";
import type { Loadable } from "./hosting/loadable.ts";
import { createModelHost, type ModelHost } from "./hosting/model-host.ts";
import { createModelRegistry } from "./hosting/model-registry.ts";
import { planForDevice, planForMemory } from "./hosting/reload-plan.ts";
import { loadModel } from "./load-model.ts";
import { ModelFolderError } from "./manifest.ts";
import {
  type DeviceOptions,
  exclusiveDeviceDefaults,
  type ModelServer,
  type ModelServerOptions,
  modelServerDefaults,
} from "./model-server-options.ts";
import type { Servable } from "./servable.ts";
import { fpgaMethod } from "./service/fpga-service.ts";
import { servingMethods } from "./service/grpc-service.ts";
import { addLatency } from "./service/latency.ts";
import { type Listener, listen } from "./service/listener.ts";
import type { LoadedModels } from "./service/prediction-service.ts";
import { addUnary } from "./service/unary-method.ts";
import { systemClock } from "./system-clock.ts";

/**
 * Loads what the server begins with, then opens the port. A model that cannot be loaded is reported to `onWarning`,
 * and the others are served.
 *
 * @param clock - times service, swaps and delays
 * @throws ModelFolderError if there is nothing to serve, or no model can be loaded; RangeError for invalid lanes,
 *   times or faults
 */
export async function startModelServer(
  options: ModelServerOptions,
  clock: Clock = systemClock,
): Promise<ModelServer> {
  const settings = { ...modelServerDefaults, ...options };
  const { host, port, dialect, roundTripMs, device, serviceMs } = settings;
  const onWarning = guardedCallback(settings.onWarning);
  const onLoaded = guardedCallback(settings.onLoaded);
  assertLanes(options.lanes, serviceMs);
  const isExclusive = device.kind === "exclusive";
  const warn = (faultOptions: FaultOptions) => {
    const text = faultsText(faultOptions);
    if (text !== undefined) onWarning(text);
  };
  const faults = createFaultSwitch(settings.faults);
  warn(settings.faults);
  const decoders = createDecoderPool({
    options: decoderDefaults,
    clock: systemClock,
    onStartFailure: ({ cause }) => onWarning(`a decoder could not be started: ${cause}`),
  });
  const models = createModelHost({
    plan: isExclusive ? planForDevice : planForMemory,
    lanes: createLanes(
      { count: options.lanes ?? (isExclusive ? 1 : Number.POSITIVE_INFINITY), serviceMs },
      clock,
    ),
    clock,
    reconfigureMs: isExclusive
      ? (device.reconfigureMs ?? exclusiveDeviceDefaults.reconfigureMs)
      : 0,
    warmsUp: isExclusive,
    beforeLoad: faults.beforeLoad,
    onLoaded: ({ name, version }) => onLoaded({ name, version }),
  });
  const closeModels = async () => {
    await Promise.all([models.close(), decoders.close()]);
  };
  try {
    const registry = createModelRegistry({
      sources: [options.models].flat(),
      reloadFolders: settings.reloadFolders,
      load: (folder) => loadModel(folder, settings, { preprocess: decoders.preprocess, onWarning }),
      onProgress: guardedCallback(options.onProgress),
    });
    await startModels(models, initialModels(registry.atStart, device), onWarning);
    if (settings.engine === "onnx") decoders.warm();
    // As much as TensorFlow Serving takes; the default of 4 MB refuses eight float pictures.
    const server = new Server({
      "grpc.max_receive_message_length": -1,
      "grpc.max_send_message_length": -1,
    });
    const methods =
      dialect === "tensorflow-serving"
        ? servingMethods(servedModels(models, device), {
            wanted: registry.wanted,
            reload: models.reload,
          })
        : [fpgaMethod(onlyLoadedModel(models), dialect)];
    const listener = await listen(server, host, port);
    const { resetConnection } = listener;
    const faulty = withFaults({ faults, clock, resetConnection });
    const distant = addLatency(roundTripMs, clock);
    for (const method of methods) addUnary(server, distant(faulty(method)));
    return {
      port: listener.port,
      get models() {
        return models.available().map(({ name, version }) => ({ name, version }));
      },
      faults: {
        set: (wanted) => {
          faults.set(wanted);
          warn(wanted);
        },
        clear: faults.clear,
      },
      close: async (graceMs = 5_000) => {
        models.abortReloads();
        await shutDown(server, listener, graceMs);
        await closeModels();
      },
    };
  } catch (thrown) {
    await closeModels();
    throw thrown;
  }
}

/** Loads models and reports those that cannot be served. @throws ModelFolderError if none can */
async function startModels(
  models: ModelHost,
  wanted: readonly Loadable[],
  onWarning: (warning: string) => void,
): Promise<void> {
  const failures = await models.start(wanted);
  const texts = failures.map(
    ({ name, version, failure }) =>
      `model ${name}, version ${version}, cannot be served: ${failure.message}`,
  );
  if (texts.length > 0 && texts.length === wanted.length) {
    throw new ModelFolderError(texts.join("\n"));
  }
  for (const text of texts) onWarning(text);
}

function assertLanes(count: number | undefined, serviceMs: number): void {
  if (count !== undefined && !(count >= 1)) {
    throw new RangeError(`lanes must be 1 or more, got ${count}`);
  }
  if (!(serviceMs >= 0)) throw new RangeError(`serviceMs must not be negative, got ${serviceMs}`);
}

/**
 * Selects the models that are loaded at the start: all of them, or the one that a device holds first.
 *
 * @throws ModelFolderError if that one is not found
 */
function initialModels(all: readonly Loadable[], device: DeviceOptions): readonly Loadable[] {
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
    statuses: models.statuses,
    unavailableError: (name) =>
      reportsSwap && models.isInTransition(name)
        ? new ServingError(grpcCode.UNAVAILABLE, `model ${name} is being swapped`)
        : undefined,
  };
}

/**
 * Returns the one model of a container.
 *
 * @throws ModelFolderError unless exactly one is loaded
 */
function onlyLoadedModel(models: ModelHost): Servable {
  const names = models.available().map(({ name }) => name);
  const only = models.get(names[0] ?? "");
  if (only && names.length === 1) return only;
  throw new ModelFolderError(
    `an FPGA container holds exactly one model, not ${names.join(", ") || "none"}; set one`,
  );
}

function shutDown(server: Server, listener: Listener, graceMs: number): Promise<void> {
  listener.stop();
  return new Promise((resolve) => {
    const cut = setTimeout(() => server.forceShutdown(), graceMs);
    server.tryShutdown(() => {
      clearTimeout(cut);
      resolve();
    });
  });
}
