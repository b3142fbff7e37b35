import type { PlannedDevice } from "./plan-swap.ts";

/** What is done with one device, in this order. */
export type DeviceStep = "drain" | "reprogram" | "load" | "check" | "readmit";

/** Where a swap is. Replaced, never mutated. */
export type SwapState =
  | AtDevice
  /** It failed, and the device may hold what it held: that is asked. */
  | { readonly state: "look-back"; readonly device: PlannedDevice; readonly because: string }
  /** The device gets calls of the model that it held; `because` is absent if the swap was aborted. */
  | { readonly state: "give-back"; readonly device: PlannedDevice; readonly because?: string }
  | EndedSwap;

export interface AtDevice {
  readonly state: "at-device";
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
  /** What was to be done is done. */
  | { readonly type: "done" }
  | { readonly type: "failed"; readonly because: string }
  /** The device was not touched. */
  | { readonly type: "refused"; readonly because: string }
  /** What a look back found. */
  | { readonly type: "looked"; readonly isHeld: boolean }
  | { readonly type: "abort" };

const nextStep: Readonly<Record<Exclude<DeviceStep, "readmit">, DeviceStep>> = {
  drain: "reprogram",
  reprogram: "load",
  load: "check",
  check: "readmit",
};

export function begunSwap(devices: readonly PlannedDevice[]): SwapState {
  return nextDevice(devices, false);
}

export function isEnded(state: SwapState): state is EndedSwap {
  return state.state === "done" || state.state === "aborted" || state.state === "failed";
}

/**
 * The state after an event. Pure: whoever runs it does what the state says, and tells what came of it.
 *
 * An abort before a device was reprogrammed gives it back; after that it is finished, since what it held is gone.
 * A device that failed its check, or of which nobody knows what it holds, is left out of rotation.
 */
export function afterEvent(state: SwapState, event: SwapEvent): SwapState {
  switch (state.state) {
    case "at-device":
      return atDevice(state, event);
    case "look-back": {
      if (event.type === "abort") return state;
      const { device, because } = state;
      if (event.type === "looked" && event.isHeld) return { state: "give-back", device, because };
      return { state: "failed", because: `${because}; ${device.alias} stays out of rotation` };
    }
    case "give-back": {
      if (event.type === "abort") return state;
      const { because } = state;
      return because === undefined ? { state: "aborted" } : { state: "failed", because };
    }
    default:
      return state;
  }
}

function atDevice(at: AtDevice, event: SwapEvent): SwapState {
  const { device } = at;
  switch (event.type) {
    case "abort":
      return { ...at, isAborting: true };
    case "refused":
      return { state: "failed", because: `${device.alias}: ${event.because}` };
    case "failed":
      return afterFailure(at, event.because);
    case "done":
      if (at.step === "drain" && at.isAborting) return { state: "give-back", device };
      if (at.step === "readmit") return nextDevice(at.rest, at.isAborting);
      return { ...at, step: nextStep[at.step] };
    default:
      return at;
  }
}

function afterFailure(at: AtDevice, reason: string): SwapState {
  const { device, step } = at;
  const because = `${device.alias}: ${reason}`;
  switch (step) {
    case "drain":
      return { state: "give-back", device, ...(!at.isAborting && { because }) };
    case "reprogram":
    case "load":
      return { state: "look-back", device, because };
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
    state: "at-device",
    step: device.isLoaded ? "check" : "drain",
    device,
    rest,
    isAborting,
  };
}
