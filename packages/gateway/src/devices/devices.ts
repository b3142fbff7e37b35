import { type Clock, withDeadline } from "@tensorgate/core";
import type { DeviceReplicas } from "./device.ts";
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

/** What a caller is told of whose model no replica has. */
export interface ModelDevices {
  /** Of the devices that could hold it. */
  readonly aliases: readonly string[];
  /** Whether one of them is kept from calls, so that it is not lost. */
  readonly isAnyOut: boolean;
  /** Where one is being swapped to it: since when, and what it usually takes, in milliseconds. */
  readonly swap?: { readonly elapsedMs: number; readonly usualMs?: number };
}

/** Devices with what the rest of the gateway needs of them. */
export interface ManagedDevices extends Devices {
  isDevice(replicaId: string): boolean;
  /** @param residency - regions to leave others out of. @returns undefined for a model without devices there */
  devicesOf(model: string, residency?: readonly string[]): ModelDevices | undefined;
  /** Keeps those out that are out, after pools have changed: a pool that is new knows nothing of it. */
  keepOut(): void;
  close(): void;
}

export interface DevicesDeps {
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
/** Swaps of a device of which the middle one is what it usually takes. */
const maxMeasured = 9;

export function createDevices(parts: DevicesDeps): ManagedDevices {
  const { replicas, rotation, aliasOf, clock, times = swapTimes } = parts;
  const closing = new AbortController();
  /** Kept from calls: being swapped, or not checked. */
  const out = new Set<string>();
  const logs = new Map<string, LoggedSwap>();
  const tookMs: number[] = [];
  let running: { readonly log: LoggedSwap; readonly run: RunningSwap } | undefined;
  let isBusy = false;
  let count = 0;

  const exclusivePools = () => replicas.pools.filter(({ isExclusive }) => isExclusive);

  function places(): readonly Place[] {
    const named = exclusivePools().flatMap(({ model, region, replicaIds }) =>
      replicaIds.map((id) => ({ id, region, model })),
    );
    return [...Map.groupBy(named, ({ id }) => id)].map(([id, ofDevice]) => ({
      ...{ id, region: ofDevice[0]?.region ?? "" },
      models: [...new Set(ofDevice.map(({ model }) => model))],
    }));
  }

  async function reported({ id, region, models }: Place): Promise<DeviceReport> {
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
      ...{ id, region, models, alias: aliasOf(region, id), address: id.replace(/#\d+$/, "") },
      ...heldModel(new Map(asked)),
      isOut: out.has(id),
    };
  }

  // Numbered in the order of the configuration, before anybody else speaks of them: the same after a restart.
  for (const { region, id } of places()) aliasOf(region, id);

  const list = () => Promise.all(places().map(reported));

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
        ...{ ...parts, times, request, out, closing: closing.signal },
        replicaOf: replicas.get,
      });
      const run = runSwap(plan, actions, (state) => {
        const took = log.note(state);
        if (took !== undefined) tookMs.push(took);
      });
      running = { log, run };
      const ended = () => {
        running = undefined;
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
    if (tookMs.length > maxMeasured) tookMs.splice(0, tookMs.length - maxMeasured);
  }

  function swapTo(model: string): ModelDevices["swap"] {
    const log = running?.log;
    if (!log || log.report.model !== model || log.deviceSinceMs === undefined) return undefined;
    const usualMs = tookMs.toSorted((a, b) => a - b)[Math.floor(tookMs.length / 2)];
    return {
      elapsedMs: clock.nowMs() - log.deviceSinceMs,
      ...(usualMs !== undefined && { usualMs }),
    };
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
    isDevice: (replicaId) =>
      exclusivePools().some(({ replicaIds }) => replicaIds.includes(replicaId)),
    devicesOf: (model, residency) => {
      const allowed = exclusivePools().filter(
        (pool) => pool.model === model && (residency?.includes(pool.region) ?? true),
      );
      const ids = allowed.flatMap(({ region, replicaIds }) =>
        replicaIds.map((id) => ({ id, alias: aliasOf(region, id) })),
      );
      if (ids.length === 0) return undefined;
      const towards = swapTo(model);
      return {
        aliases: ids.map(({ alias }) => alias),
        isAnyOut: ids.some(({ id }) => out.has(id)),
        ...(towards && { swap: towards }),
      };
    },
    keepOut: () => {
      const known = new Set(replicas.pools.flatMap(({ replicaIds }) => replicaIds));
      for (const id of out) {
        if (known.has(id)) void rotation.drain(id);
        else out.delete(id);
      }
    },
    close: () => closing.abort(new Error("the gateway is closing")),
  };
}

/** A device with all that its pools say. */
interface Place {
  readonly id: string;
  readonly region: string;
  readonly models: readonly string[];
}
