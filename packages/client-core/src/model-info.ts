/** A model in the catalog of a gateway. */
export interface ModelInfo {
  readonly name: string;
  readonly task: string;
  readonly tasks: readonly string[];
  /** Versions that can be scored now, highest first, as strings: whole numbers of up to 64 bits. */
  readonly versions: readonly string[];
  readonly regions: readonly string[];
  readonly labelCount: number;
  /** Present if a single model was requested. */
  readonly labels?: readonly string[];
  /** "trained", or "seeded" for random weights, whose results are meaningless. */
  readonly weights: string;
  readonly family?: string;
  /** The input that the model takes. */
  readonly input: ModelInputInfo;
}

export interface ModelInputInfo {
  /** "picture" or "tensors". */
  readonly kind: string;
  /** Size that pictures are scaled to, in pixels, if known; sending much larger ones has no use. */
  readonly width?: number;
  readonly height?: number;
  /** What is cut from the middle of a picture whose shorter side was scaled to `width`, in pixels, if anything is. */
  readonly crop?: { readonly width: number; readonly height: number };
}
