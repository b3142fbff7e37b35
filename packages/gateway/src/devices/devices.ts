import { type Clock, withDeadline } from "@tensorgate/core";
import type { DeviceReplicas } from "./device.ts";
import type { DevicePlace, DeviceRegistry } from "./device-registry.ts";
import type { DeviceReport, SwapProgress, SwapReport } from "./device-report.ts";
import { askPhase, heldModel, type ModelPhase } from "./device-state.ts";
import { planSwap } from "./plan-swap.ts";
import { type RunningSwap, runSwap } from "./run-swap.ts";
import {
  createSwapActions,
  type DeviceRotation,
  type RunSmokeTest,
  type SwapTimes,
  swapTimes,
} from "./swap-actions.ts";
import { createSwapLog, type LoggedSwap } from "./swap-log.ts";
import { SwapRefusedError, type SwapRequest } from "./swap-request.ts";

/** The exclusive devices of a gateway, and what they hold. */
export interface Devices {
  /** Asks every device what it holds. */
  list(): Promise<readonly DeviceReport[]>;
  /**
   * Begins to make devices hold another model, one after the other. A swap that failed, or that a restart of the gateway
   * cut short, is begun again in the same way: devices that hold the model are left as they are.
   *
   * @param onProgress - told of every step; must not throw
   * @throws SwapRefusedError if it cannot be begun; nothing has changed then
   */
  swap(request: SwapRequest, onProgress?: (progress: SwapProgress) => void): Promise<StartedSwap>;
  /**
   * Ends a swap as soon as no device is in between: one that is being drained is given back, one that is being
   * reprogrammed is finished. Does nothing to a swap that has ended.
   *
   * @throws SwapRefusedError if there is no such swap
   */
  abort(swapId: string): SwapReport;
  /** The one that is under way and the last ones that have ended, the newest first. */
  swaps(): readonly SwapReport[];
  /** Every step of a swap from the first one on, as it comes, to the end. @throws SwapRefusedError if there is none */
  follow(swapId: string): AsyncIterable<SwapProgress>;
}

export interface StartedSwap {
  readonly id: string;
  /** Resolves when it has ended, whether well or not. */
  readonly done: Promise<SwapReport>;
}

export interface ManagedDevices extends Devices {
  close(): void;
}

export interface DevicesDeps {
  readonly registry: DeviceRegistry;
  readonly replicas: DeviceReplicas;
  readonly rotation: DeviceRotation;
  readonly askGolden: RunSmokeTest;
  /** Checks a device where a swap brings no picture; encoded. */
  readonly testPicture: Uint8Array;
  readonly aliasOf: (region: string, replicaId: string) => string;
  readonly clock: Clock;
  readonly times?: SwapTimes;
}

/** Swaps that have ended and are remembered. */
const maxRemembered = 20;
export function createDevices(parts: DevicesDeps): ManagedDevices {
  const { registry, replicas, rotation, aliasOf, clock, times = swapTimes } = parts;
  const closing = new AbortController();
  const logs = new Map<string, LoggedSwap>();
  let running: { readonly log: LoggedSwap; readonly run: RunningSwap } | undefined;
  let isBusy = false;
  let count = 0;

  async function reported({ id, region, models }: DevicePlace): Promise<DeviceReport> {
    const asked = await Promise.all(
      models.map(async (model): Promise<[string, ModelPhase | undefined]> => {
        try {
          const bounds = { requestId: "devices", timeoutMs: times.askMs, clock };
          return [
            model,
            await withDeadline((call) => askPhase(replicas.get(id), model, call), bounds),
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
      ...heldModel(new Map(asked)),
      isOut: registry.out.has(id),
    };
  }

  // A pool that is new knows nothing of devices that are out.
  replicas.onChange(() => {
    const known = new Set(replicas.pools.flatMap(({ replicaIds }) => replicaIds));
    for (const id of registry.out) {
      if (known.has(id)) void rotation.drain(id);
      else registry.out.delete(id);
    }
  });

  const list = () => Promise.all(registry.places().map(reported));

  function logOf(swapId: string): LoggedSwap {
    const log = logs.get(swapId);
    if (log) return log;
    throw new SwapRefusedError("unknown", `unknown swap ${swapId}`);
  }

  async function swap(
    request: SwapRequest,
    onProgress: (progress: SwapProgress) => void = () => {},
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
        plan,
        clock,
        onProgress,
      });
      logs.set(log.report.id, log);
      const actions = createSwapActions({
        ...parts,
        times,
        request,
        out: registry.out,
        closing: closing.signal,
        replicaOf: replicas.get,
      });
      const run = runSwap(plan, actions, (state) => {
        const took = log.note(state);
        if (took !== undefined) registry.addDuration(took);
      });
      running = { log, run };
      registry.swap = log;
      const ended = () => {
        running = undefined;
        registry.swap = undefined;
        isBusy = false;
        forgetOldest();
        return log.report;
      };
      return { id: log.report.id, done: run.done.then(ended) };
    } catch (thrown) {
      isBusy = false;
      throw thrown;
    }
  }

  function forgetOldest(): void {
    const [oldest] = logs.keys();
    if (logs.size > maxRemembered && oldest !== undefined) logs.delete(oldest);
  }

  return {
    list,
    swap,
    abort: (swapId) => {
      const log = logOf(swapId);
      if (running?.log === log) {
        log.noteAbort();
        running.run.abort();
      }
      return log.report;
    },
    swaps: () => [...logs.values()].map(({ report }) => report).reverse(),
    follow: (swapId) => logOf(swapId).follow(),
    close: () => closing.abort(new Error("the gateway is closing")),
  };
}
