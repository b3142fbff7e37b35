import type { RolloutState } from "./state.ts";

/** Devices of a model in rotation, by the version that they hold. */
export type ServingDevices = ReadonlyMap<string, number>;

/** A device that can be swapped. */
export interface RolloutDevice {
  readonly id: string;
  /** Name for people. */
  readonly alias: string;
  readonly region: string;
  /** Version that it serves; absent if it is empty, or out of rotation. */
  readonly version?: string;
}

/** What is to be done to the devices of a model. */
export type DeviceWish =
  /** They hold what they should. */
  | { readonly kind: "none" }
  /** No device holds the version that was left. */
  | { readonly kind: "settled" }
  | { readonly kind: "waits"; readonly because: string }
  | { readonly kind: "swap"; readonly device: RolloutDevice; readonly version: string };

/**
 * Returns the share of the calls that each version gets on devices: the new one at most what the step allows, and at most
 * its share of the devices that serve.
 *
 * @param isPart - whether the call may go to a part of the regions only: there the step may ask for more devices than there
 *   are, and the only version there is answers
 */
export function deviceWeights(
  { running, stable, leaving, devices }: RolloutState,
  serving: ServingDevices,
  isPart: boolean,
): ReadonlyMap<string, number> | undefined {
  const floor = devices?.floor ?? 0;
  const countOf = (version: string) => serving.get(version) ?? 0;
  if (running) {
    const { from, to, steps } = running.plan;
    const [old, fresh] = [countOf(from), countOf(to)];
    const isAlone = old === 0 && fresh > 0 && (isPart || floor === 0);
    const step = (steps[running.step] ?? 0) / 100;
    const share = isAlone ? 1 : Math.min(step, fresh === 0 ? 0 : fresh / (old + fresh));
    return shared([to, from], share);
  }
  if (stable === undefined) return undefined;
  if (!leaving?.answers) return new Map([[stable, 1]]);
  const [old, fresh] = [countOf(leaving.version), countOf(stable)];
  const isEnough = old === 0 || fresh >= Math.max(1, floor);
  return shared([stable, leaving.version], isEnough ? 1 : fresh / (old + fresh));
}

function shared(
  [first, second]: readonly [string, string],
  share: number,
): ReadonlyMap<string, number> {
  return new Map([
    [first, share],
    [second, 1 - share],
  ]);
}

/**
 * Returns which device is swapped next, one at a time.
 *
 * @param devices - those that serve the old or the new version, and those that are empty or out of rotation
 * @param openCalls - calls in flight that were given the version which devices leave
 */
export function deviceWish(
  state: RolloutState,
  devices: readonly RolloutDevice[],
  openCalls: number,
): DeviceWish {
  const { running, stable, leaving, devices: terms } = state;
  if (!terms) return { kind: "none" };
  const of = (version: string) => devices.filter((each) => each.version === version);
  if (running) {
    const { from, to, steps } = running.plan;
    const [old, fresh] = [of(from), of(to)];
    const idle = idleOf(devices, terms.count - old.length - fresh.length);
    const all = old.length + fresh.length + idle.length;
    const target = Math.min(stepDevices(steps[running.step] ?? 0, all), all - terms.floor);
    const [empty] = idle;
    if (fresh.length < target && empty) return { kind: "swap", device: empty, version: to };
    if (empty) return { kind: "swap", device: empty, version: from };
    if (fresh.length < target) return taken(state, { devices, of: from, to, openCalls });
    if (fresh.length > 0) return { kind: "none" };
    return { kind: "waits", because: tooFew(all, terms.floor) };
  }
  if (!leaving || stable === undefined) return { kind: "none" };
  const [old, fresh] = [of(leaving.version), of(stable)];
  const [empty] = idleOf(devices, terms.count - old.length - fresh.length);
  if (empty) return { kind: "swap", device: empty, version: stable };
  if (old.length === 0) return { kind: "settled" };
  return taken(state, { devices, of: leaving.version, to: stable, openCalls });
}

/** Devices that a step asks for, as many as carry its share, and one at least. */
function stepDevices(percent: number, count: number): number {
  // 7 % of 100 devices are 7, not 8, although 0.07 · 100 is a little more.
  return Math.max(1, Math.ceil((percent * count) / 100 - 1e-9));
}

/** The devices that serve nothing, as many as the rollout began with: others are empty on purpose. */
function idleOf(devices: readonly RolloutDevice[], missing: number): readonly RolloutDevice[] {
  return devices.filter(({ version }) => version === undefined).slice(0, Math.max(0, missing));
}

interface Taking {
  readonly devices: readonly RolloutDevice[];
  readonly of: string;
  readonly to: string;
  readonly openCalls: number;
}

/** Takes a device from the region that has the most of them, so that versions are spread over the regions. */
function taken(state: RolloutState, { devices, of, to, openCalls }: Taking): DeviceWish {
  const serving = servingOf(devices);
  const because = takingFault(state, serving, openCalls);
  if (because !== undefined) return { kind: "waits", because };
  const holding = devices.filter(({ version }) => version === of);
  const inRegion = (region: string) => holding.filter((each) => each.region === region).length;
  const [device] = holding.toSorted((a, b) => inRegion(b.region) - inRegion(a.region));
  return device
    ? { kind: "swap", device, version: to }
    : { kind: "waits", because: `no device serves version ${of}` };
}

export function servingOf(devices: readonly RolloutDevice[]): ServingDevices {
  const serving = new Map<string, number>();
  for (const { version } of devices) {
    if (version !== undefined) serving.set(version, (serving.get(version) ?? 0) + 1);
  }
  return serving;
}

/**
 * Returns why no device may be taken from the version that is left: the floor would be broken, or calls would lose the last
 * device of the version that they were given.
 */
export function takingFault(
  { running, stable, leaving, devices: terms }: RolloutState,
  serving: ServingDevices,
  openCalls: number,
): string | undefined {
  const floor = terms?.floor ?? 0;
  const countOf = (version: string) => serving.get(version) ?? 0;
  if (running) {
    const { from } = running.plan;
    const left = countOf(from) - 1;
    return left >= floor
      ? undefined
      : `version ${from} would be left with ${counted(left)}; ${floorText(floor)}`;
  }
  // Calls that an aborted version was given before are retried at no other version: they end first.
  if (!leaving || stable === undefined) return undefined;
  const [old, fresh] = [countOf(leaving.version), countOf(stable)];
  const left = old + fresh - 1;
  if (leaving.answers && left < floor) return `${counted(left)} would serve; ${floorText(floor)}`;
  if (old > 1 || fresh === 0 || openCalls === 0) return undefined;
  return `${openCalls} ${openCalls === 1 ? "call" : "calls"} of version ${leaving.version} in flight`;
}

/** Returns why a rollout cannot begin: with one device less the floor would be broken. */
export function tooFew(count: number, floor: number): string {
  const needed = floor + 1;
  return `a rollout with a floor of ${floor} needs ${counted(needed)}, and ${count} ${count === 1 ? "serves" : "serve"} the model`;
}

const floorText = (floor: number) => `the floor is ${floor}`;

const counted = (count: number) => {
  const shown = Math.max(0, count);
  return `${shown} ${shown === 1 ? "device" : "devices"}`;
};
