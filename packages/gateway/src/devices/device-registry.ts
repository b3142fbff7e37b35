import type { Clock } from "@tensorgate/core";
import type { DeviceReplicas } from "./device.ts";
import type { LoggedSwap } from "./swap-log.ts";

/** Devices of a model that no replica serves now, for the error that a client gets. */
export interface ModelDevices {
  /** Of the devices that may hold it. */
  readonly aliases: readonly string[];
  /** Whether one of them is out of rotation on purpose. */
  readonly isAnyOut: boolean;
  /** If one is being swapped to it: for how long, and what a swap usually takes, in milliseconds. */
  readonly swap?: { readonly elapsedMs: number; readonly usualMs?: number };
}

/** A device with all models of its pools. */
export interface DevicePlace {
  readonly id: string;
  readonly region: string;
  readonly models: readonly string[];
}

/** The exclusive devices, and which of them are out of rotation. Routing reads it, swaps write it. */
export interface DeviceRegistry {
  /** The devices of the pools as they are now. */
  places(): readonly DevicePlace[];
  isDevice(replicaId: string): boolean;
  /** @param residency - regions that count; all by default. @returns undefined for a model without devices there */
  devicesOf(model: string, residency?: readonly string[]): ModelDevices | undefined;
  /** Ids of devices out of rotation: being swapped, or not verified. */
  readonly out: Set<string>;
  /** The swap in progress. */
  swap: LoggedSwap | undefined;
  /** Records how long the swap of one device took, in milliseconds. */
  addDuration(ms: number): void;
}

export interface DeviceRegistryDeps {
  readonly replicas: Pick<DeviceReplicas, "pools">;
  readonly aliasOf: (region: string, replicaId: string) => string;
  readonly clock: Clock;
}

/** Durations whose median is what a swap usually takes. */
const maxMeasured = 9;

export function createDeviceRegistry({
  replicas,
  aliasOf,
  clock,
}: DeviceRegistryDeps): DeviceRegistry {
  const durationsMs: number[] = [];
  const exclusivePools = () => replicas.pools.filter(({ isExclusive }) => isExclusive);
  let deviceIds: ReadonlySet<string> = new Set();
  let deviceIdsOf: typeof replicas.pools | undefined;

  /** Kept as long as the pools are the same: it is asked for with every change of a replica. */
  function isDevice(replicaId: string): boolean {
    if (deviceIdsOf !== replicas.pools) {
      deviceIdsOf = replicas.pools;
      deviceIds = new Set(exclusivePools().flatMap(({ replicaIds }) => replicaIds));
    }
    return deviceIds.has(replicaId);
  }

  const registry: DeviceRegistry = {
    out: new Set(),
    swap: undefined,
    places: () => {
      const all = exclusivePools().flatMap(({ model, region, replicaIds }) =>
        replicaIds.map((id) => ({ id, region, model })),
      );
      return [...Map.groupBy(all, ({ id }) => id)].map(([id, ofDevice]) => ({
        id,
        region: ofDevice[0]?.region ?? "",
        models: [...new Set(ofDevice.map(({ model }) => model))],
      }));
    },
    isDevice,
    devicesOf: (model, residency) => {
      const ids = exclusivePools()
        .filter((pool) => pool.model === model && (residency?.includes(pool.region) ?? true))
        .flatMap(({ region, replicaIds }) => replicaIds.map((id) => ({ id, region })));
      if (ids.length === 0) return undefined;
      const swap = swapTo(model);
      return {
        aliases: ids.map(({ id, region }) => aliasOf(region, id)),
        isAnyOut: ids.some(({ id }) => registry.out.has(id)),
        ...(swap && { swap }),
      };
    },
    addDuration: (ms) => {
      durationsMs.push(ms);
      if (durationsMs.length > maxMeasured) durationsMs.shift();
    },
  };

  function swapTo(model: string): ModelDevices["swap"] {
    const { swap } = registry;
    if (!swap || swap.report.model !== model || swap.deviceSinceMs === undefined) return undefined;
    const usualMs = durationsMs.toSorted((a, b) => a - b)[Math.floor(durationsMs.length / 2)];
    return {
      elapsedMs: clock.nowMs() - swap.deviceSinceMs,
      ...(usualMs !== undefined && { usualMs }),
    };
  }

  // Aliases are numbered in the order of the configuration, so that they are the same after a restart.
  for (const { region, id } of registry.places()) aliasOf(region, id);
  return registry;
}
