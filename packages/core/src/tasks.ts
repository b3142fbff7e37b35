import type { CallContext } from "./call.ts";
import type { ModelCatalog } from "./model-catalog.ts";
import type { ModelSpec } from "./model-spec.ts";
import type { ModelStatus } from "./model-status.ts";
import type { Classify, Detect, Embed } from "./picture-scoring.ts";
import type { Score, ScoreResolved } from "./score.ts";
import type { ModelMetadata } from "./signature.ts";

/** Asks one replica of a model about it. */
export type AskModel<Answer> = (modelSpec: ModelSpec, call: CallContext) => Promise<Answer>;

/**
 * What callers may have done with the model of their call, whatever the protocol. It keeps what the model meant when the
 * call began: nothing that gets it looks the model up by its name.
 */
export interface ModelTasks {
  readonly classify: Classify;
  readonly detect: Detect;
  readonly embed: Embed;
  /** Scores tensors; an input that `pictureInputs` names may have encoded pictures. */
  readonly score: Score;
  /**
   * Scores tensors under the names of the graph, as clients of FPGA containers send them, whatever the replicas call
   * them. @throws InvalidRequestError for an unknown input
   */
  readonly scoreAsContainer: Score;
  /** Names of the input at which the gateway makes pixels of encoded pictures; none if the model takes no pixels. */
  readonly pictureInputs: (modelSpec: ModelSpec) => ReadonlySet<string>;
  /**
   * Rejects a call before its body is read, if no replica of the model has room for it now.
   *
   * @throws OverloadedError
   */
  readonly assertCapacity: (call: CallContext) => void;
  /** Signatures by name, without a call to a replica where one has reported them. */
  readonly signatures: AskModel<ModelMetadata["signatures"]>;
}

/** The models of one configuration, as callers may use them. */
export interface Tasks {
  /**
   * Resolves the model of a call, once, when the call begins.
   *
   * @throws ForbiddenError if the caller's key is not for the model; UnknownModelError; UnknownVersionError for a version
   *   that a model of the gateway itself does not have
   */
  readonly resolve: (modelSpec: ModelSpec, call: CallContext) => ModelTasks;
  /**
   * Checks the name of a region that a caller prefers.
   *
   * @throws InvalidRequestError if no pool is there, with the nearest name among the regions that the call may be served in
   */
  readonly assertRegion: (region: string, call: CallContext) => void;
  readonly modelStatus: AskModel<ModelStatus>;
  readonly modelMetadata: AskModel<ModelMetadata>;
  readonly catalog: ModelCatalog;
  /** Model of the pool whose replicas are reached by the name of a service, or that has this name itself. */
  readonly modelOfService: (service: string) => string | undefined;
}

/** A picture to score at one replica, to test whether its model works. */
export interface SmokeTestRequest {
  readonly model: string;
  /** Version that the replica holds, whose labels and outputs count; those of the model by default. */
  readonly version?: bigint;
  /** Encoded. */
  readonly picture: Uint8Array;
  /** At that replica, whatever others there are. */
  readonly score: ScoreResolved;
}

export type SmokeTestResult =
  /** The label that comes first. */
  | { readonly kind: "label"; readonly label: string }
  /** An answer without a label: features, or no box. */
  | { readonly kind: "scored" }
  /** The model takes no pictures. */
  | { readonly kind: "not-asked" };

/** Scores a picture as that of a client, without cache and coalescing. @throws ScoringError if that fails */
export type RunSmokeTest = (
  request: SmokeTestRequest,
  call: CallContext,
) => Promise<SmokeTestResult>;
