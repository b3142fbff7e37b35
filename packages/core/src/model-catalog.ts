import type { TensorInfo } from "./signature.ts";

/** What a caller may ask of a model. Every model can be scored by tensors ("predict"). */
export type Task = "classify" | "detect" | "embed" | "predict";

/** What the numbers of an output are. */
export type OutputHolds = "probabilities" | "logits" | "features" | "boxes" | "tensor";

/** Where a model's weights come from. Answers of "seeded" ones mean nothing. */
export type Weights = "trained" | "seeded" | "given";

/** What a model takes: an encoded picture, or tensors that the caller makes. */
export type ModelInput =
  | {
      readonly kind: "picture";
      readonly tensor: string;
      readonly decodedBy: "gateway" | "model";
      /** Size that pictures are brought to, in pixels, where it is known: much more is sent for nothing. */
      readonly width?: number;
      readonly height?: number;
      /** What is cut from the middle then, in pixels, if the tensor is smaller; `width` is that of the shorter side. */
      readonly crop?: { readonly width: number; readonly height: number };
    }
  | { readonly kind: "tensors"; readonly tensors: readonly NamedTensorInfo[] };

/** A tensor by its name; without type and shape if no replica has reported them yet. */
export interface NamedTensorInfo extends Partial<TensorInfo> {
  readonly name: string;
}

export interface ModelOutput extends NamedTensorInfo {
  readonly holds: OutputHolds;
}

/** Description of one model in the catalog. */
export interface ModelDescription {
  readonly name: string;
  /** The first of `tasks`. */
  readonly task: Task;
  readonly tasks: readonly Task[];
  /** Versions that can be scored now, highest first. */
  readonly versions: readonly bigint[];
  readonly regions: readonly string[];
  readonly input: ModelInput;
  readonly outputs: readonly ModelOutput[];
  readonly labels: readonly string[];
  readonly weights: Weights;
  readonly family?: string;
}

/**
 * The models, as they are at each call. With a residency, descriptions have only what calls that may be
 * served in these regions can get.
 */
export interface ModelCatalog {
  has(name: string): boolean;
  list(residency?: readonly string[]): readonly ModelDescription[];
  /** @throws UnknownModelError, with the nearest names */
  get(name: string, residency?: readonly string[]): ModelDescription;
}
