import { counted } from "@tensorgate/core";
import type { DeviceReport } from "./device.ts";
import { SwapRefusedError, type SwapRequest, swapDefaults } from "./swap-request.ts";

/** A device to swap. */
export interface PlannedDevice {
  readonly id: string;
  readonly alias: string;
  /** Model that it unloads. */
  readonly from?: string;
  /** Version of that model. */
  readonly fromVersion?: string;
  /** Whether it holds the model already, and only its smoke test is missing: an earlier swap ended before it. */
  readonly isLoaded: boolean;
}

export interface SwapPlan {
  /** In this order, one after the other. */
  readonly devices: readonly PlannedDevice[];
  /** Aliases of devices that serve the model already. */
  readonly already: readonly string[];
}

/** Counts the replicas of a model that are in rotation, without those in `except`. */
export type ReadyCount = (model: string, except: ReadonlySet<string>) => number;

/**
 * Plans which devices are swapped, and in which order: first those whose model has the most other replicas.
 * Resumes an earlier swap, since devices that hold the model stay as they are.
 *
 * @throws SwapRefusedError if there are no such devices, or too few replicas of their models would stay ready
 */
export function planSwap(
  request: SwapRequest,
  devices: readonly DeviceReport[],
  readyCount: ReadyCount,
): SwapPlan {
  const { replicas, count = swapDefaults.count, floor = swapDefaults.floor } = request;
  const { model, version } = request;
  const wantedModel = { model, version };
  const candidates = devices.filter(({ models }) => models.includes(model));
  if (candidates.length === 0) {
    throw new SwapRefusedError("unknown", `no pool with exclusive: true serves model "${model}"`);
  }
  const wanted = replicas
    ? [...new Set(replicas.map((name) => deviceNamed(name, candidates)))]
    : candidates;
  const already = wanted.filter((device) => serves(device, wantedModel));
  const others = wanted.filter((device) => !serves(device, wantedModel));
  const missing = replicas ? others.length : count - already.length;
  if (missing > others.length) {
    throw new SwapRefusedError(
      "unknown",
      `${counted(count, "device")} requested, but only ${candidates.length} can hold model "${model}"`,
    );
  }
  const taken: DeviceReport[] = [];
  const faults: SwapRefusedError[] = [];
  for (const device of replicas ? others : mostRedundantFirst(others, readyCount)) {
    if (taken.length >= missing) break;
    const fault =
      unreachableFault(device) ?? floorFault(device, { ...wantedModel, floor, taken, readyCount });
    if (fault) faults.push(fault);
    else taken.push(device);
  }
  const [first] = faults;
  if (taken.length < missing && first) throw first;
  return {
    devices: taken.map((device) => planned(device, wantedModel)),
    already: already.map(({ alias }) => alias),
  };
}

/** What a device is to hold; any version if none is given. */
interface WantedModel {
  readonly model: string;
  readonly version: string | undefined;
}

function planned(device: DeviceReport, wanted: WantedModel): PlannedDevice {
  const { id, alias, state, model: from, version: fromVersion } = device;
  if (from === undefined || holds(device, wanted)) {
    return { id, alias, isLoaded: state === "ready" };
  }
  return { id, alias, isLoaded: false, from, ...(fromVersion !== undefined && { fromVersion }) };
}

function serves(device: DeviceReport, wanted: WantedModel): boolean {
  return device.state === "ready" && holds(device, wanted) && !device.isOut;
}

function holds(
  { model: held, version: heldVersion }: Pick<DeviceReport, "model" | "version">,
  { model, version }: WantedModel,
): boolean {
  return held === model && (version === undefined || heldVersion === version);
}

function deviceNamed(name: string, candidates: readonly DeviceReport[]): DeviceReport {
  const found = candidates.find(({ id, alias, address }) => [id, alias, address].includes(name));
  if (found) return found;
  const all = candidates.map(({ alias }) => alias).join(", ");
  throw new SwapRefusedError(
    "unknown",
    `device ${name} cannot hold that model; devices that can: ${all}`,
  );
}

/** Sorts devices out of rotation first, then empty ones, then those whose model has the most other replicas. */
function mostRedundantFirst(
  devices: readonly DeviceReport[],
  readyCount: ReadyCount,
): readonly DeviceReport[] {
  const others = ({ id, model, isOut }: DeviceReport) =>
    isOut || model === undefined ? Number.POSITIVE_INFINITY : readyCount(model, new Set([id]));
  return devices.toSorted((a, b) => {
    const [one, other] = [others(a), others(b)];
    return one === other ? Number(b.isOut) - Number(a.isOut) : other - one;
  });
}

function unreachableFault({ state, alias }: DeviceReport): SwapRefusedError | undefined {
  if (state !== "unreachable") return undefined;
  return new SwapRefusedError("unreachable", `${alias} does not report which model it holds`);
}

interface FloorQuery {
  /** Model that the device is to load. */
  readonly model: string;
  readonly version: string | undefined;
  readonly floor: number;
  /** Devices that are swapped before it. */
  readonly taken: readonly { readonly id: string }[];
  readonly readyCount: ReadyCount;
}

/**
 * Returns why a device may not unload its model: too few replicas would stay ready, of any version. A device out of
 * rotation may.
 */
export function floorFault(
  device: Pick<DeviceReport, "id" | "model" | "version" | "isOut">,
  { model, version, floor, taken, readyCount }: FloorQuery,
): SwapRefusedError | undefined {
  const { id, model: held, isOut } = device;
  if (held === undefined || holds(device, { model, version }) || isOut || floor === 0) {
    return undefined;
  }
  const readyLeft = readyCount(held, new Set([...taken.map((each) => each.id), id]));
  if (readyLeft >= floor) return undefined;
  return new SwapRefusedError(
    "floor",
    `model "${held}" would be left with ${counted(readyLeft, "ready replica")}; the floor is ${floor}`,
  );
}
