/** How far a server is with one version of a model. */
export type VersionState =
  | "unknown"
  /** It will be loaded, and has the resources for it. */
  | "starting"
  | "loading"
  /** Calls are answered. */
  | "available"
  | "unloading"
  /** It was unloaded, or could not be loaded. */
  | "ended";

export interface VersionStatus {
  readonly version: bigint;
  readonly state: VersionState;
  /** gRPC's code of what went wrong; 0 if nothing did. */
  readonly errorCode: number;
  /** The server's own text; empty if nothing went wrong. */
  readonly errorMessage: string;
}

/** Which versions of a model a server has, and how far it is with each. */
export interface ModelStatus {
  readonly versions: readonly VersionStatus[];
}
