import { counted } from "@tensorgate/core";
import type { DeviceReport } from "./device-report.ts";
import { SwapRefusedError, type SwapRequest, swapDefaults } from "./swap-request.ts";

/** A device that is to be swapped. */
export interface PlannedDevice {
  readonly id: string;
  readonly alias: string;
  /** The model that it gives up. */
  readonly from?: string;
  /** Whether it holds the model already, and only has to show that it can score: a swap ended before that. */
  readonly isLoaded: boolean;
}

export interface SwapPlan {
  /** In this order, one after the other. */
  readonly devices: readonly PlannedDevice[];
  /** Aliases of those that hold the model already, and serve it. */
  readonly already: readonly string[];
}

/** How many replicas of a model are in rotation, those that are named left out. */
export type ReadyCount = (model: string, except: ReadonlySet<string>) => number;

/**
 * Which devices are swapped, in which order: first those that nobody misses.
 * A swap that was begun before goes on where it ended, since devices that hold the model are left as they are.
 *
 * @throws SwapRefusedError if there are no such devices, or too few would be left of what they hold
 */
export function planSwap(
  request: SwapRequest,
  devices: readonly DeviceReport[],
  readyCount: ReadyCount,
): SwapPlan {
  const { model, replicas, count = swapDefaults.count, floor = swapDefaults.floor } = request;
  const candidates = devices.filter(({ models }) => models.includes(model));
  if (candidates.length === 0) {
    throw new SwapRefusedError("unknown", `no pool with exclusive: true serves model "${model}"`);
  }
  const named = replicas ? [...new Set(replicas.map((name) => deviceNamed(name, candidates)))] : [];
  const wanted = replicas ? named : candidates;
  const already = wanted.filter((device) => serves(device, model));
  const others = wanted.filter((device) => !serves(device, model));
  const missing = replicas ? others.length : count - already.length;
  if (missing > others.length) {
    throw new SwapRefusedError(
      "unknown",
      `${counted(count, "device")} requested, but only ${candidates.length} can hold model "${model}"`,
    );
  }
  const taken: DeviceReport[] = [];
  const faults: SwapRefusedError[] = [];
  for (const device of replicas ? others : missedLeast(others, readyCount)) {
    if (taken.length >= missing) break;
    const fault =
      unreachableFault(device) ?? floorFault(device, { model, floor, taken, readyCount });
    if (fault) faults.push(fault);
    else taken.push(device);
  }
  const [first] = faults;
  if (taken.length < missing && first) throw first;
  return {
    devices: taken.map((device) => planned(device, model)),
    already: already.map(({ alias }) => alias),
  };
}

function planned({ id, alias, state, model: held }: DeviceReport, model: string): PlannedDevice {
  const isLoaded = state === "ready" && held === model;
  return { id, alias, isLoaded, ...(held !== undefined && held !== model && { from: held }) };
}

function serves({ state, model: held, isOut }: DeviceReport, model: string): boolean {
  return state === "ready" && held === model && !isOut;
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

/** Those that are out first, then empty ones, then those whose model has the most replicas beside them. */
function missedLeast(
  devices: readonly DeviceReport[],
  readyCount: ReadyCount,
): readonly DeviceReport[] {
  const beside = ({ id, model, isOut }: DeviceReport) =>
    isOut || model === undefined ? Number.POSITIVE_INFINITY : readyCount(model, new Set([id]));
  return devices.toSorted((a, b) => {
    const [one, other] = [beside(a), beside(b)];
    return one === other ? Number(b.isOut) - Number(a.isOut) : other - one;
  });
}

function unreachableFault({ state, alias }: DeviceReport): SwapRefusedError | undefined {
  if (state !== "unreachable") return undefined;
  return new SwapRefusedError("unreachable", `${alias} does not report which model it holds`);
}

interface FloorQuery {
  /** What the device is to hold. */
  readonly model: string;
  readonly floor: number;
  /** Devices that are given up before it. */
  readonly taken: readonly { readonly id: string }[];
  readonly readyCount: ReadyCount;
}

/** Whether a device may give up what it holds; one that gets no calls may. */
export function floorFault(
  { id, model: held, isOut }: Pick<DeviceReport, "id" | "model" | "isOut">,
  { model, floor, taken, readyCount }: FloorQuery,
): SwapRefusedError | undefined {
  if (held === undefined || held === model || isOut || floor === 0) return undefined;
  const left = readyCount(held, new Set([...taken.map((each) => each.id), id]));
  if (left >= floor) return undefined;
  return new SwapRefusedError(
    "floor",
    `model "${held}" would be left with ${counted(left, "ready replica")}; the floor is ${floor}`,
  );
}
