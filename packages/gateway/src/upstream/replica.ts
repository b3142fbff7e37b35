import type {
  CallContext,
  ModelMetadata,
  ModelSpec,
  ModelStatus,
  ScoreResolved,
} from "@tensorgate/core";
import type { HeaderBlock } from "@tensorgate/grpc";
import type { ProbeNote } from "./probe-note.ts";

/** One running model server, in whatever dialect it is spoken to. */
export interface Replica {
  /** Tensors are called by our own names here. */
  readonly score: ScoreResolved;
  /**
   * Whether a model can be scored there, by a call that costs little.
   *
   * @throws ScoringError if nobody answers, or whoever answers has no such model
   */
  readonly probe: (model: string, call: CallContext) => Promise<ReplicaState>;
  /** How long a small call takes there and back, in milliseconds; undefined before anything was measured. */
  readonly roundTripMs: () => number | undefined;
  /**
   * How long a call of `model` would wait there before it is begun, in milliseconds, as the replica itself said a moment
   * ago; absent where it never says.
   */
  readonly expectedWaitMs?: (model: string) => number | undefined;
  /** @throws NotSupportedError where the dialect has no such call */
  readonly modelStatus: (modelSpec: ModelSpec, call: CallContext) => Promise<ModelStatus>;
  /** @throws NotSupportedError where the dialect has no such call */
  readonly modelMetadata: (modelSpec: ModelSpec, call: CallContext) => Promise<ModelMetadata>;
  /**
   * Makes it serve these models and no others, and ends when they are there; absent where the dialect has no such call.
   *
   * @throws ScoringError if the call fails, or its reply says that a model could not be loaded
   */
  readonly reload?: (models: readonly ModelSource[], call: CallContext) => Promise<void>;
}

/** A model as a server finds it. */
export interface ModelSource {
  readonly name: string;
  /** Folder with a folder for each version, as the server sees it; empty where it knows the model by its name. */
  readonly basePath: string;
}

/** What a probe found. */
export interface ReplicaState {
  readonly isReady: boolean;
  /** Versions that can be scored; none where the dialect knows of no versions, or the replica does not list them. */
  readonly versions: readonly bigint[];
  /** Whether the replica does not list its versions: a call may name any, and the replica decides. */
  readonly hasUnknownVersions?: boolean;
  /** Whether they are those of several replicas, so that it is not known which one answers who asks for none. */
  readonly areMixed?: boolean;
  /** What the probe found, unless the model is simply ready. Why a probe failed: `probeNote`. */
  readonly note?: ProbeNote;
  /** Whether it says itself that its weights were drawn at random. */
  readonly isSeeded?: boolean;
}

/** An embedded model server says of such a model that its answers mean nothing. */
export function saysSeeded(headers: HeaderBlock): boolean {
  return headers["x-tensorgate-weights"] === "seeded";
}
