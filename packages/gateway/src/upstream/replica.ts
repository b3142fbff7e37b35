import type {
  CallContext,
  ModelMetadata,
  ModelSpec,
  ModelStatus,
  ScoreResolved,
} from "@tensorgate/core";
import type { HeaderBlock } from "@tensorgate/grpc";
import type { ProbeNote } from "./probe-note.ts";

/** One running model server, whatever its dialect. */
export interface Replica {
  /** Scores by canonical tensor names. */
  readonly score: ScoreResolved;
  /**
   * Probes whether a model can be scored there, by a cheap call.
   *
   * @throws ScoringError if the replica does not answer, or does not have the model
   */
  readonly probe: (model: string, call: CallContext) => Promise<ReplicaState>;
  /** Returns the round trip time of small calls, in milliseconds; undefined before the first measurement. */
  readonly roundTripMs: () => number | undefined;
  /**
   * Returns the expected wait of a call of `model` there, in milliseconds, as the replica reported recently; absent if it
   * does not report it.
   */
  readonly expectedWaitMs?: (model: string) => number | undefined;
  /** @throws NotSupportedError if the dialect has no such call */
  readonly modelStatus: (modelSpec: ModelSpec, call: CallContext) => Promise<ModelStatus>;
  /** @throws NotSupportedError if the dialect has no such call */
  readonly modelMetadata: (modelSpec: ModelSpec, call: CallContext) => Promise<ModelMetadata>;
  /** Returns the JSON by which a model server of ours describes a model; absent if the dialect has no such call. */
  readonly manifest?: (modelSpec: ModelSpec, call: CallContext) => Promise<string | undefined>;
  /**
   * Makes it serve these models and no others, and resolves when they are loaded; absent if the dialect has no such call.
   * Without any model everything is unloaded; that may take longer than the call.
   *
   * @throws ScoringError if the call fails, or its reply says that a model could not be loaded
   */
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

/** State of a model on a replica, by a probe. */
export interface ReplicaState {
  readonly isReady: boolean;
  /** Versions that can be scored; none if the dialect has no versions, or the replica does not list them. */
  readonly versions: readonly bigint[];
  /** Whether the replica does not list its versions: a call may name any, and the replica decides. */
  readonly hasUnknownVersions?: boolean;
  /** Whether they are those of several replicas, so that the version that answers a call without one is unknown. */
  readonly areMixed?: boolean;
  /** Details, unless the model is simply ready. Of a failed probe: `probeNote`. */
  readonly note?: ProbeNote;
  /** Whether it reports that its weights are random. */
  readonly isSeeded?: boolean;
}

/** Returns whether a model server reported that the weights are random: results are meaningless then. */
export function saysSeeded(headers: HeaderBlock): boolean {
  return headers["x-tensorgate-weights"] === "seeded";
}
