import type { CallContext, ModelSpec, ModelStatus, ScoreResolved } from "@tensorgate/core";

/** A replica as far as devices need it. */
export interface Device {
  readonly score: ScoreResolved;
  /** @throws UpstreamAnsweredError with NOT_FOUND if it does not have the model */
  readonly modelStatus: (modelSpec: ModelSpec, call: CallContext) => Promise<ModelStatus>;
  /** Makes it serve these models and no others; absent where that is not possible. */
  readonly reload?: (models: readonly ModelSource[], call: CallContext) => Promise<void>;
}

/** A model as a server finds it. */
export interface ModelSource {
  readonly name: string;
  /** Folder with a folder for each version, as the server sees it; empty where it knows the model by its name. */
  readonly basePath: string;
}

/** The replicas of the gateway, devices among them. */
export interface DeviceReplicas {
  readonly pools: readonly DevicePool[];
  /** @throws RangeError for an unknown id */
  get(replicaId: string): Device;
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
