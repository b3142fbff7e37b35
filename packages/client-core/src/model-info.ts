/** A model as the catalog of a gateway tells of it. */
export interface ModelInfo {
  readonly name: string;
  readonly task: string;
  readonly tasks: readonly string[];
  readonly versions: readonly bigint[];
  readonly regions: readonly string[];
  readonly labelCount: number;
  /** Only where one model was asked for. */
  readonly labels?: readonly string[];
  /** "seeded" ones give answers that mean nothing. */
  readonly weights: string;
  readonly family?: string;
  /** What it takes. */
  readonly input: ModelInputInfo;
}

export interface ModelInputInfo {
  /** "picture" or "tensors". */
  readonly kind: string;
  /** Size that pictures are brought to, in pixels, where it is known: much more than that is sent for nothing. */
  readonly width?: number;
  readonly height?: number;
}
