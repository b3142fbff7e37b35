import type { DeviceTerms, RolloutPlan } from "./plan.ts";

/** Sums of what was seen of a version since its rollout began. */
export interface VersionCounts {
  readonly calls: number;
  readonly failures: number;
}

/** Sums of comparisons of the two versions. */
export interface ComparisonCounts {
  readonly compared: number;
  readonly top1: number;
  readonly top5: number;
  readonly iou: number;
  readonly distance: number;
}

export const noCounts: VersionCounts = { calls: 0, failures: 0 };
export const noComparisons: ComparisonCounts = {
  compared: 0,
  top1: 0,
  top5: 0,
  iou: 0,
  distance: 0,
};

/** A version that devices may still hold after a rollout. */
export interface LeavingVersion {
  readonly version: string;
  /** Whether it answers until enough devices hold the stable one. An aborted version does not. */
  readonly answers: boolean;
}

/** A rollout that is under way. Plain JSON. */
export interface RunningRollout {
  readonly plan: RolloutPlan;
  readonly step: number;
  /** Time that the step has lasted. */
  readonly stepMs: number;
  readonly to: VersionCounts;
  readonly comparisons: ComparisonCounts;
}

/** Something that changed which version answers. */
export interface RolloutNews {
  /** Version that answers all calls, or all but those of the rollout that begins. */
  readonly stable: string;
  readonly text: string;
}

/** Which versions of a model answer calls that name none. Plain JSON. */
export interface RolloutState {
  /** Grows with every change of weights. */
  readonly revision: number;
  /** Version that calls get outside of a rollout; undefined for the latest. */
  readonly stable: string | undefined;
  readonly running: RunningRollout | undefined;
  /** Newest last. */
  readonly history: readonly RolloutNews[];
  /** Stable versions before this one, the last one last: what `undo` goes back to. */
  readonly before: readonly string[];
  /** Present once a rollout has swapped devices. */
  readonly devices?: DeviceTerms;
  /** Version that devices may still hold, until none does. */
  readonly leaving?: LeavingVersion;
}

export const noRollout: RolloutState = {
  revision: 0,
  stable: undefined,
  running: undefined,
  history: [],
  before: [],
};
