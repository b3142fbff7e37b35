import type { CallContext } from "./call.ts";
import type { AnsweringModel, ModelSpec } from "./model-spec.ts";
import type { ScoringError } from "./scoring-error.ts";

/** An encoded picture, as the caller sent it. */
export interface Picture {
  /** The caller's name for it; comes back with its result. */
  readonly id?: string;
  /** JPEG, PNG, …: may view a received buffer. */
  readonly bytes: Uint8Array;
}

export interface PictureRequest {
  readonly modelSpec: ModelSpec;
  /** At least one. */
  readonly pictures: readonly Picture[];
}

export interface ClassifyRequest extends PictureRequest {
  /** How many labels to return, best first; an integer >= 1. */
  readonly topK?: number;
  /** Labels below this score are left out; 0..1. */
  readonly minScore?: number;
}

export type EmbedRequest = PictureRequest;

export interface LabelScore {
  /** Position in the model's output, which identifies the class: label texts may repeat. */
  readonly index: number;
  readonly label: string;
  readonly score: number;
}

/** What became of one picture. One that failed among many does not fail the others. */
export type PictureResult<Value> =
  | { readonly id?: string; readonly ok: true; readonly value: Value }
  | { readonly id?: string; readonly ok: false; readonly error: ScoringError };

export interface PictureResponse<Value> {
  /** Absent when every picture failed. */
  readonly model?: AnsweringModel;
  readonly region?: string;
  /** One per picture, in order. */
  readonly results: readonly PictureResult<Value>[];
}

export type Classify = (
  request: ClassifyRequest,
  call: CallContext,
) => Promise<PictureResponse<readonly LabelScore[]>>;

export type Embed = (
  request: EmbedRequest,
  call: CallContext,
) => Promise<PictureResponse<Float32Array>>;
