import type { Clock } from "@tensorgate/core";
import {
  type DeviceWish,
  deviceWish,
  type RolloutDevice,
  type ServingDevices,
  takingFault,
} from "./machine/devices.ts";
import type { RolloutEvent } from "./machine/machine.ts";
import type { DeviceTerms } from "./machine/plan.ts";
import type { RolloutState } from "./machine/state.ts";

/** Devices that hold one version at a time, as rollouts use them. */
export interface VersionDevices {
  /** Whether all replicas of a model are such devices, none, or some. */
  areDevices(model: string): "all" | "none" | "some";
  /** Lists those that serve a version of the model, and those that are empty or out of rotation. */
  list(model: string): Promise<readonly RolloutDevice[]>;
  /** Makes one device serve a version. @throws an error with a message for operators if that cannot begin */
  swap(swap: VersionSwap): Promise<StartedVersionSwap>;
}

export interface VersionSwap extends Pick<DeviceTerms, "basePath" | "timeoutMs"> {
  readonly model: string;
  readonly version: string;
  readonly deviceId: string;
  /** Called with every step, in words. */
  readonly onStep: (text: string) => void;
  /** Returns why the device may not be taken out of rotation now. */
  readonly mayTake: () => string | undefined;
}

export interface StartedVersionSwap {
  /** Ends it as soon as the device is not between two versions. */
  abort(): void;
  /** Never rejects. */
  readonly done: Promise<VersionSwapEnd>;
}

export interface VersionSwapEnd {
  readonly state: "done" | "aborted" | "failed";
  readonly because?: string | undefined;
  /** Whether the device got the command to load the version: then a failure is that of the version. */
  readonly hasReprogrammed: boolean;
}

export interface DeviceSwapsDeps {
  readonly devices: VersionDevices;
  readonly stateOf: (model: string) => RolloutState | undefined;
  readonly servingVersions: (model: string) => ServingDevices;
  /** Counts the calls in flight that were given a version. */
  readonly openCalls: (model: string, version: string) => number;
  readonly apply: (model: string, event: RolloutEvent) => void;
  /** Whether it is this gateway that swaps devices. */
  readonly isInCharge: () => Promise<boolean>;
  /** How long other gateways may take to learn of new weights, in milliseconds. */
  readonly followMs: number;
  readonly clock: Clock;
}

/** Swaps the devices of rollouts, as their states wish it. */
export interface DeviceSwaps {
  /** Looks at the devices of a model and begins the next swap, or ends one that is no longer wished. */
  tick(model: string): void;
  /** Why the step of a rollout is not reached yet; undefined if the devices are as wished. */
  waitsFor(model: string): string | undefined;
  close(): void;
}

/** After a failed swap that is not the new version's fault. */
const retryMs = 30_000;

interface Work {
  isLooking: boolean;
  waitsFor: string | undefined;
  /** Of the state that `waitsFor` is about. */
  revision: number;
  retryAtMs: number;
  /** The version that is left, and since when. */
  leaving: { readonly version: string; readonly sinceMs: number } | undefined;
  swap: { readonly version: string; readonly started: StartedVersionSwap } | undefined;
}

export function createDeviceSwaps(deps: DeviceSwapsDeps): DeviceSwaps {
  const { devices, stateOf, servingVersions, openCalls, apply, isInCharge, followMs, clock } = deps;
  const works = new Map<string, Work>();
  let isClosed = false;

  function workOf(model: string): Work {
    const known = works.get(model);
    if (known) return known;
    const fresh: Work = {
      isLooking: false,
      waitsFor: undefined,
      revision: -1,
      retryAtMs: clock.nowMs(),
      leaving: undefined,
      swap: undefined,
    };
    works.set(model, fresh);
    return fresh;
  }

  /** Calls that keep the last device of the version that is left. Other gateways may not know yet that it is left. */
  function openCallsOf(model: string, state: RolloutState): number {
    const work = workOf(model);
    const version = state.leaving?.version;
    if (version === undefined) {
      work.leaving = undefined;
      return 0;
    }
    if (work.leaving?.version !== version) work.leaving = { version, sinceMs: clock.nowMs() };
    const isKnown = clock.nowMs() - work.leaving.sinceMs >= followMs;
    return Math.max(openCalls(model, version), isKnown ? 0 : 1);
  }

  async function look(model: string): Promise<void> {
    const work = workOf(model);
    const listed = await devices.list(model);
    // Also while a step waits: a gateway that gives no sign loses the lease, and another one would begin the same swap.
    const isOurs = await isInCharge();
    const state = stateOf(model);
    if (!state || isClosed) return;
    const wish = deviceWish(state, listed, openCallsOf(model, state));
    work.waitsFor = textOf(wish);
    work.revision = state.revision;
    if (!isOurs) return;
    if (wish.kind === "settled") apply(model, { type: "settled" });
    else if (wish.kind === "swap" && clock.nowMs() >= work.retryAtMs) await begin(model, wish);
  }

  async function begin(model: string, { device, version }: SwapWish): Promise<void> {
    const work = workOf(model);
    const terms = stateOf(model)?.devices;
    if (!terms) return;
    const { basePath, timeoutMs } = terms;
    const started = await devices.swap({
      model,
      version,
      basePath,
      timeoutMs,
      deviceId: device.id,
      onStep: (text) => {
        work.waitsFor = text;
      },
      mayTake: () => {
        const state = stateOf(model);
        if (!state || !isWished(state, version))
          return `version ${version} is no longer wanted there`;
        if (device.version === undefined) return undefined;
        return takingFault(state, servingVersions(model), openCallsOf(model, state));
      },
    });
    work.swap = { version, started };
    void started.done.then((end) => {
      work.swap = undefined;
      if (!isClosed) onEnd(model, { device, version }, end);
    });
  }

  function onEnd(model: string, { device, version }: SwapWish, end: VersionSwapEnd): void {
    const work = workOf(model);
    if (end.state === "done") {
      apply(model, { type: "swapped", device: device.alias, version });
    } else if (end.state === "failed") {
      work.waitsFor = end.because;
      work.retryAtMs = clock.nowMs() + (end.hasReprogrammed ? retryMs : 0);
      const isNew = stateOf(model)?.running?.plan.to === version;
      if (isNew && end.hasReprogrammed) {
        work.retryAtMs = clock.nowMs();
        apply(model, { type: "swap-failed", because: end.because ?? `${device.alias} failed` });
      }
    }
    if (end.state === "done") tick(model);
  }

  function tick(model: string): void {
    const state = stateOf(model);
    if (!state?.devices || (!state.running && !state.leaving)) return void works.delete(model);
    const work = workOf(model);
    if (work.swap) {
      // The lease is kept while a device loads.
      void isInCharge().catch(() => {});
      if (!isWished(state, work.swap.version)) work.swap.started.abort();
      return;
    }
    if (work.isLooking) return;
    work.isLooking = true;
    void look(model)
      .catch((thrown: unknown) => {
        work.waitsFor = thrown instanceof Error ? thrown.message : String(thrown);
      })
      .finally(() => {
        work.isLooking = false;
      });
  }

  return {
    tick,
    waitsFor: (model) => {
      const state = stateOf(model);
      if (!state?.devices || (!state.running && !state.leaving)) return undefined;
      const work = works.get(model);
      const isCurrent = work?.swap !== undefined || work?.revision === state.revision;
      return isCurrent ? work.waitsFor : "its devices are being looked at";
    },
    close: () => {
      isClosed = true;
    },
  };
}

type SwapWish = Pick<Extract<DeviceWish, { readonly kind: "swap" }>, "device" | "version">;

/** Whether devices may still be made to hold a version. */
function isWished({ running, stable }: RolloutState, version: string): boolean {
  return running ? [running.plan.from, running.plan.to].includes(version) : version === stable;
}

function textOf(wish: DeviceWish): string | undefined {
  switch (wish.kind) {
    case "none":
    case "settled":
      return undefined;
    case "waits":
      return wish.because;
    case "swap":
      return `${wish.device.alias} is to serve version ${wish.version}`;
  }
}
