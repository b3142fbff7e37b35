import type { HeldModel } from "./device-state.ts";

/** A device as it is told to whoever runs the gateway. */
export interface DeviceReport extends HeldModel {
  readonly id: string;
  /** What callers know it by. */
  readonly alias: string;
  readonly address: string;
  readonly region: string;
  /** Models that it may hold: those of its pools. */
  readonly models: readonly string[];
  /** Whether the gateway keeps calls away from it: a swap has it, or ended before it was checked. */
  readonly isOut: boolean;
}

export type SwapStep =
  | "drain"
  | "reprogram"
  | "load"
  | "check"
  | "readmit"
  /** Something failed: does it still hold what it held? */
  | "look-back"
  /** It gets calls of the model that it held. */
  | "give-back"
  | "done"
  | "aborted"
  | "failed";

/** A step that was begun, or the end. */
export interface SwapProgress {
  readonly swapId: string;
  /** Since the swap began, in milliseconds. */
  readonly atMs: number;
  readonly step: SwapStep;
  /** Alias; absent at the end. */
  readonly device?: string;
  /** For people. */
  readonly text: string;
}

/** A swap that is under way or has ended. */
export interface SwapReport {
  readonly id: string;
  readonly model: string;
  readonly state: "running" | "aborting" | "done" | "aborted" | "failed";
  /** Why it failed. */
  readonly because?: string;
  /** Aliases of the devices to swap, in this order. */
  readonly devices: readonly string[];
  /** Aliases of those that held the model before. */
  readonly already: readonly string[];
  readonly steps: readonly SwapProgress[];
}
