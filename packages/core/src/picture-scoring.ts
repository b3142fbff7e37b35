import type { CallContext } from "./call.ts";
import type { AnsweringModel, ModelSpec } from "./model-spec.ts";
import type { ScoringError } from "./scoring-error.ts";

/**
 * Most labels, boxes or candidates of one picture that a call may ask for: more than the classes of the usual networks.
 * Finding, comparing and writing them takes a few milliseconds then; to get all of a larger output, use Predict.
 */
export const maxResultsPerPicture = 1_024;

/**
 * Most labels or boxes that all pictures of a call together may ask for: their answer is written in one go where it goes by
 * Connect or gRPC. Sixty-four pictures may ask for half of `maxResultsPerPicture` each.
 */
export const maxResultsPerCall = 32_768;

/**
 * Most features of all pictures of a call together. Sixty-four pictures may have 8,192 each, which is more than the
 * usual networks have; in one go, they are written in some fifty milliseconds.
 */
export const maxFeaturesPerCall = 524_288;

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
  /** How many labels to return, best first; an integer from 1 on, of which `maxResultsPerPicture` count at most. */
  readonly topK?: number;
  /** Labels below this score are left out; 0..1. */
  readonly minScore?: number;
}

export type EmbedRequest = PictureRequest;

export interface DetectRequest extends PictureRequest {
  /** Boxes must score more than this; 0..1. */
  readonly minScore?: number;
  /** Intersection over union from which the better of two boxes of a class is kept; 0..1. */
  readonly iouThreshold?: number;
  /** Best boxes, over all classes, that are looked at for overlaps; an integer from 1 on, of which `maxResultsPerPicture` count at most. */
  readonly maxCandidates?: number;
  /** Boxes in the answer; an integer from 1 on, of which `maxResultsPerPicture` count at most. */
  readonly maxDetections?: number;
}

/** A part of a picture. */
export interface Rectangle {
  /** Left edge. */
  readonly x: number;
  /** Upper edge. */
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface DetectedBox<Label extends string = string> extends LabelScore<Label> {
  /** In pixels of the picture as it is seen. */
  readonly box: Rectangle;
  /** In fractions of the picture's sides. */
  readonly normalized: Rectangle;
}

export interface Detections<Label extends string = string> {
  /** Highest score first. */
  readonly boxes: readonly DetectedBox<Label>[];
  /** The picture as it is seen: upright, in pixels. */
  readonly image: { readonly width: number; readonly height: number };
}

export interface LabelScore<Label extends string = string> {
  /** Position in the model's output, which identifies the class: label texts may repeat. */
  readonly index: number;
  readonly label: Label;
  readonly score: number;
}

/** What became of one picture. One that failed among many does not fail the others. */
export type PictureResult<Value> =
  | { readonly id?: string; readonly ok: true; readonly value: Value }
  | { readonly id?: string; readonly ok: false; readonly error: ScoringError };

export interface PictureResponse<Value> {
  /** Absent when every picture failed. */
  readonly model?: AnsweringModel | undefined;
  readonly region?: string | undefined;
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

export type Detect = (
  request: DetectRequest,
  call: CallContext,
) => Promise<PictureResponse<Detections>>;
