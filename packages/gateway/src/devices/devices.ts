import { type Clock, type RunSmokeTest, withDeadline } from "@tensorgate/core";
import type { Device, DeviceReplicas, DeviceReport, SwapProgress, SwapReport } from "./device.ts";
import type { DevicePlace, DeviceRegistry } from "./device-registry.ts";
import { heldModel, type ModelPhase, queryPhase } from "./device-state.ts";
import { planSwap } from "./plan-swap.ts";
import { type RunningSwap, runSwap } from "./run-swap.ts";
import {
  createSwapActions,
  type DeviceRotation,
  type SwapTimes,
  swapTimes,
} from "./swap-actions.ts";
import { createSwapLog, type LoggedSwap } from "./swap-log.ts";
import { SwapRefusedError, type SwapRequest } from "./swap-request.ts";

/** The exclusive devices of a gateway. */
export interface Devices {
  /** Lists all devices with the model that each holds. */
  list(): Promise<readonly DeviceReport[]>;
  /**
   * Starts to swap devices to another model, one after the other. After a failure or a restart of the gateway, the same
   * request resumes the swap: devices that hold the model stay as they are.
   *
   * @param onProgress - called for every step; must not throw
   * @param mayTake - returns why a device may not be taken out of rotation now; any may by default
   * @throws SwapRefusedError if it cannot start; nothing has changed then
   */
  swap(
    request: SwapRequest,
    onProgress?: (progress: SwapProgress) => void,
    mayTake?: (deviceId: string) => string | undefined,
  ): Promise<StartedSwap>;
  /**
   * Aborts a swap as soon as no device is in progress: a device that is being drained is rolled back, a device that is
   * being reprogrammed is finished. Does nothing to a swap that has ended.
   *
   * @throws SwapRefusedError if there is no such swap
   */
  abort(swapId: string): SwapReport;
  /** The swap in progress and the last ones that have ended, the newest first. */
  swaps(): readonly SwapReport[];
  /** Streams every step of a swap, from the first to the end. @throws SwapRefusedError if there is no such swap */
  follow(swapId: string): AsyncIterable<SwapProgress>;
}

export interface StartedSwap {
  readonly id: string;
  /** Resolves when it has ended, successful or not. */
  readonly done: Promise<SwapReport>;
}

export interface ManagedDevices extends Devices {
  close(): void;
}

export interface DevicesDeps {
  readonly registry: DeviceRegistry;
  readonly replicas: DeviceReplicas;
  readonly rotation: DeviceRotation;
  readonly runSmokeTest: RunSmokeTest;
  /** For smoke tests without a picture; encoded. */
  readonly testPicture: Uint8Array;
  readonly aliasOf: (region: string, replicaId: string) => string;
  readonly clock: Clock;
  readonly times?: SwapTimes;
}

/** Swaps in the history. */
const maxSwaps = 20;

export function createDevices(deps: DevicesDeps): ManagedDevices {
  const { registry, replicas, rotation, aliasOf, clock, times = swapTimes } = deps;
  const closing = new AbortController();
  const logs = new Map<string, LoggedSwap>();
  let running: { readonly log: LoggedSwap; readonly run: RunningSwap } | undefined;
  let isBusy = false;
  let count = 0;

  function deviceOf(id: string): Device {
    const device = replicas.byId.get(id);
    if (!device) throw new RangeError(`device ${id} was removed`);
    return device;
  }

  async function reportOf({ id, region, models }: DevicePlace): Promise<DeviceReport> {
    const phases = await Promise.all(
      models.map(async (model): Promise<[string, ModelPhase | undefined]> => {
        try {
          const limits = { requestId: "devices", timeoutMs: times.queryMs, clock };
          return [
            model,
            await withDeadline((call) => queryPhase(deviceOf(id), model, call), limits),
          ];
        } catch {
          return [model, undefined];
        }
      }),
    );
    return {
      id,
      region,
      models,
      alias: aliasOf(region, id),
      address: id.replace(/#\d+$/, ""),
      ...heldModel(new Map(phases)),
      isOut: registry.out.has(id),
    };
  }

  // The replicas of new pools start in rotation.
  replicas.onChange(() => {
    const present = new Set(replicas.pools.flatMap(({ replicaIds }) => replicaIds));
    for (const id of registry.out) {
      if (present.has(id)) void rotation.drain(id);
      else registry.out.delete(id);
    }
  });

  const list = () => Promise.all(registry.places().map(reportOf));

  function logOf(swapId: string): LoggedSwap {
    const log = logs.get(swapId);
    if (log) return log;
    throw new SwapRefusedError("unknown", `unknown swap ${swapId}`);
  }

  async function swap(
    request: SwapRequest,
    onProgress: (progress: SwapProgress) => void = () => {},
    mayTake?: (deviceId: string) => string | undefined,
  ): Promise<StartedSwap> {
    if (isBusy) {
      const { id, model } = running?.log.report ?? {};
      const which = id === undefined ? "another swap" : `swap ${id}, to model "${model}",`;
      throw new SwapRefusedError("busy", `${which} is in progress; wait for it, or abort it`);
    }
    isBusy = true;
    try {
      const plan = planSwap(request, await list(), rotation.readyCount);
      count += 1;
      const log = createSwapLog({
        id: String(count),
        model: request.model,
        version: request.version,
        plan,
        clock,
        onProgress,
      });
      logs.set(log.report.id, log);
      const actions = createSwapActions({
        ...deps,
        times,
        request,
        out: registry.out,
        closing: closing.signal,
        deviceOf,
        ...(mayTake && { mayTake }),
      });
      const run = runSwap(plan, actions, (state) => {
        const durationMs = log.add(state);
        if (durationMs !== undefined) registry.addDuration(durationMs);
      });
      running = { log, run };
      registry.swap = log;
      const ended = () => {
        running = undefined;
        registry.swap = undefined;
        isBusy = false;
        evictOldest();
        return log.report;
      };
      return { id: log.report.id, done: run.done.then(ended) };
    } catch (thrown) {
      isBusy = false;
      throw thrown;
    }
  }

  function evictOldest(): void {
    const [oldest] = logs.keys();
    if (logs.size > maxSwaps && oldest !== undefined) logs.delete(oldest);
  }

  return {
    list,
    swap,
    abort: (swapId) => {
      const log = logOf(swapId);
      if (running?.log === log) {
        log.setAborting();
        running.run.abort();
      }
      return log.report;
    },
    swaps: () => [...logs.values()].map(({ report }) => report).reverse(),
    follow: (swapId) => logOf(swapId).follow(),
    close: () => closing.abort(new Error("the gateway is closing")),
  };
}
