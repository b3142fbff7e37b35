import type { PlannedDevice } from "./plan-swap.ts";

/** Steps of one device, in this order. */
export type DeviceStep = "drain" | "reprogram" | "load" | "check" | "readmit";

/** State of a swap. Replaced, never mutated. */
export type SwapState =
  | InProgress
  /** A step failed: which model the device holds is verified. */
  | { readonly state: "verify"; readonly device: PlannedDevice; readonly because: string }
  /** The device returns to rotation with its previous model; `because` is absent if the swap was aborted. */
  | { readonly state: "roll-back"; readonly device: PlannedDevice; readonly because?: string }
  | EndedSwap;

export interface InProgress {
  readonly state: "in-progress";
  readonly step: DeviceStep;
  readonly device: PlannedDevice;
  readonly rest: readonly PlannedDevice[];
  readonly isAborting: boolean;
}

export type EndedSwap =
  | { readonly state: "done" }
  | { readonly state: "aborted" }
  | { readonly state: "failed"; readonly because: string };

export type SwapEvent =
  /** The step is done. */
  | { readonly type: "done" }
  | { readonly type: "failed"; readonly because: string }
  /** The device may not be swapped now; nothing was done to it. */
  | { readonly type: "rejected"; readonly because: string }
  /** Whether the device still holds its previous model. */
  | { readonly type: "verified"; readonly isHeld: boolean }
  | { readonly type: "abort" };

const nextStep: Readonly<Record<Exclude<DeviceStep, "readmit">, DeviceStep>> = {
  drain: "reprogram",
  reprogram: "load",
  load: "check",
  check: "readmit",
};

export function startedSwap(devices: readonly PlannedDevice[]): SwapState {
  return nextDevice(devices, false);
}

export function isEnded(state: SwapState): state is EndedSwap {
  return state.state === "done" || state.state === "aborted" || state.state === "failed";
}

/**
 * Returns the state after an event. Pure: the runner does what the state says, and passes the outcome as an event.
 *
 * An abort before a device was reprogrammed rolls it back; after that the device is finished, since its previous model
 * is unloaded. A device that failed its check, or whose model is unknown, stays out of rotation.
 */
export function afterEvent(state: SwapState, event: SwapEvent): SwapState {
  switch (state.state) {
    case "in-progress":
      return afterStep(state, event);
    case "verify": {
      if (event.type === "abort") return state;
      const { device, because } = state;
      if (event.type === "verified" && event.isHeld) return { state: "roll-back", device, because };
      return { state: "failed", because: `${because}; ${device.alias} stays out of rotation` };
    }
    case "roll-back": {
      if (event.type === "abort") return state;
      const { because } = state;
      return because === undefined ? { state: "aborted" } : { state: "failed", because };
    }
    default:
      return state;
  }
}

function afterStep(at: InProgress, event: SwapEvent): SwapState {
  const { device } = at;
  switch (event.type) {
    case "abort":
      return { ...at, isAborting: true };
    case "rejected":
      return { state: "failed", because: `${device.alias}: ${event.because}` };
    case "failed":
      return afterFailure(at, event.because);
    case "done":
      if (at.step === "drain" && at.isAborting) return { state: "roll-back", device };
      if (at.step === "readmit") return nextDevice(at.rest, at.isAborting);
      return { ...at, step: nextStep[at.step] };
    default:
      return at;
  }
}

function afterFailure(at: InProgress, reason: string): SwapState {
  const { device, step } = at;
  const because = `${device.alias}: ${reason}`;
  switch (step) {
    case "drain":
      return { state: "roll-back", device, ...(!at.isAborting && { because }) };
    case "reprogram":
    case "load":
      return { state: "verify", device, because };
    case "check":
      return { state: "failed", because: `${because}; it stays out of rotation` };
    case "readmit":
      return { state: "failed", because };
  }
}

function nextDevice(devices: readonly PlannedDevice[], isAborting: boolean): SwapState {
  const [device, ...rest] = devices;
  if (!device) return { state: "done" };
  if (isAborting) return { state: "aborted" };
  return {
    state: "in-progress",
    step: device.isLoaded ? "check" : "drain",
    device,
    rest,
    isAborting,
  };
}
