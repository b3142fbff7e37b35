/** Which model a call is for. At most one of `version` and `versionLabel` is set; neither means the latest. */
export interface ModelSpec {
  readonly name: string;
  readonly version?: bigint;
  /** A name for a version, such as "stable". */
  readonly versionLabel?: string;
  /** Empty or absent means the model's default signature. */
  readonly signatureName?: string;
}

/** The model and version that answered a call. */
export interface AnsweringModel {
  readonly name: string;
  readonly version: bigint;
  /** Of the weights by which the version was chosen: it grows with each step of a rollout; absent before the first. */
  readonly revision?: number;
}
