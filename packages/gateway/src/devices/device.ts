import type { CallContext, ModelSpec, ModelStatus, ScoreResolved } from "@tensorgate/core";

/** A replica, as swaps use it. */
export interface Device {
  readonly score: ScoreResolved;
  /** @throws UpstreamAnsweredError with NOT_FOUND if it does not have the model */
  readonly modelStatus: (modelSpec: ModelSpec, call: CallContext) => Promise<ModelStatus>;
  /** Makes it serve these models and no others; absent if its dialect cannot. */
  readonly reload?: (models: readonly ModelSource[], call: CallContext) => Promise<void>;
}

/** A model as a server finds it. */
export interface ModelSource {
  readonly name: string;
  /** Folder with a folder for each version, as the server sees it; empty if the server finds the model by its name. */
  readonly basePath: string;
  /** The only version that is loaded; the newest by default. */
  readonly version?: bigint;
}

/** The replicas of the gateway, devices among them. */
export interface DeviceReplicas {
  readonly pools: readonly DevicePool[];
  readonly byId: Pick<ReadonlyMap<string, Device>, "get">;
  /** Calls `listener` after `pools` has changed. */
  onChange(listener: () => void): void;
}

export interface DevicePool {
  readonly model: string;
  readonly region: string;
  readonly replicaIds: readonly string[];
  /** Whether each replica is a device that holds one model at a time. */
  readonly isExclusive: boolean;
}

/** What a device is doing. */
export type DeviceState =
  | "unprogrammed"
  | "programming"
  | "warming"
  | "ready"
  | "draining"
  | "unreachable";

export interface HeldModel {
  readonly state: DeviceState;
  /** Model that it holds, loads or unloads. */
  readonly model?: string;
  /** Highest version that it serves; absent unless it is ready. */
  readonly version?: string;
}

/** A device, as operators see it. */
export interface DeviceReport extends HeldModel {
  readonly id: string;
  /** Name that clients see. */
  readonly alias: string;
  readonly address: string;
  readonly region: string;
  /** Models that it may hold: those of its pools. */
  readonly models: readonly string[];
  /** Whether it is out of rotation: it is being swapped, or a swap ended before the device was verified. */
  readonly isOut: boolean;
}

export type SwapStep =
  | "drain"
  | "reprogram"
  | "load"
  | "check"
  | "readmit"
  /** A step failed: the gateway verifies which model the device holds. */
  | "verify"
  /** The device returns to rotation with its previous model. */
  | "roll-back"
  | "done"
  | "aborted"
  | "failed";

/** A step that has started, or the end. */
export interface SwapProgress {
  readonly swapId: string;
  /** Since the swap began, in milliseconds. */
  readonly atMs: number;
  readonly step: SwapStep;
  /** Alias; absent at the end. */
  readonly device?: string;
  /** For logs and terminals. */
  readonly text: string;
}

/** A swap that is in progress or has ended. */
export interface SwapReport {
  readonly id: string;
  readonly model: string;
  /** Absent if any version will do. */
  readonly version?: string;
  readonly state: "running" | "aborting" | "done" | "aborted" | "failed";
  /** Why it failed. */
  readonly because?: string;
  /** Aliases of the devices to swap, in this order. */
  readonly devices: readonly string[];
  /** Aliases of devices that already held the model. */
  readonly already: readonly string[];
  readonly steps: readonly SwapProgress[];
}
