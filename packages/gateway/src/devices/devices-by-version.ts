import type { DeviceReplicas, SwapReport } from "./device.ts";
import type { Devices } from "./devices.ts";

/** A device of a model, whose version can be swapped. */
export interface VersionDevice {
  readonly id: string;
  readonly alias: string;
  readonly region: string;
  /** Version that it serves; absent if it is empty, or out of rotation. */
  readonly version?: string;
}

export interface VersionSwapRequest {
  readonly model: string;
  readonly version: string;
  readonly deviceId: string;
  readonly basePath: string;
  readonly timeoutMs: number;
  readonly onStep: (text: string) => void;
  readonly mayTake: () => string | undefined;
}

export interface VersionSwapEnd {
  readonly state: "done" | "aborted" | "failed";
  readonly because: string | undefined;
  /** Whether the device got the command to load the version, so that a failure is that of the version. */
  readonly hasReprogrammed: boolean;
}

/** Devices by the version of a model that they hold, which rollouts swap one by one. */
export interface DevicesByVersion {
  /** Whether all replicas of a model are devices that hold one model, none, or some. */
  areDevices(model: string): "all" | "none" | "some";
  /** Lists the devices that serve the model, and those that are empty or out of rotation and answer. */
  list(model: string): Promise<readonly VersionDevice[]>;
  /** Makes one device serve a version. @throws SwapRefusedError if the swap cannot begin */
  swap(request: VersionSwapRequest): Promise<{
    /** Ends it as soon as the device is not between two versions. */
    abort(): void;
    /** Never rejects. */
    readonly done: Promise<VersionSwapEnd>;
  }>;
}

export function createDevicesByVersion(
  devices: Devices,
  replicas: Pick<DeviceReplicas, "pools">,
): DevicesByVersion {
  return {
    areDevices: (model) => {
      const pools = replicas.pools.filter((pool) => pool.model === model);
      const count = pools.filter(({ isExclusive }) => isExclusive).length;
      if (count === 0) return "none";
      return count === pools.length ? "all" : "some";
    },

    list: async (model) => {
      const all = await devices.list();
      return all.flatMap(({ id, alias, region, models, state, isOut, ...held }) => {
        if (!models.includes(model)) return [];
        const device = { id, alias, region };
        const isOfModel = state === "ready" && held.model === model;
        if (isOfModel && !isOut && held.version !== undefined) {
          return [{ ...device, version: held.version }];
        }
        return state === "unprogrammed" || (isOfModel && isOut) ? [device] : [];
      });
    },

    swap: async (request) => {
      const { model, version, deviceId, basePath, timeoutMs, onStep, mayTake } = request;
      const { id, done } = await devices.swap(
        // The floor is that of versions, which `mayTake` knows.
        { model, version, basePath, timeoutMs, replicas: [deviceId], floor: 0 },
        ({ text }) => onStep(text),
        mayTake,
      );
      return { abort: () => void devices.abort(id), done: done.then(endOf) };
    },
  };
}

/** Steps that show what the version does on a device. */
const ofVersion: ReadonlySet<string> = new Set(["reprogram", "load", "check", "readmit"]);

function endOf({ state, because, steps }: SwapReport): VersionSwapEnd {
  return {
    state: state === "done" || state === "aborted" ? state : ("failed" as const),
    because,
    hasReprogrammed: steps.some(({ step }) => ofVersion.has(step)),
  };
}
