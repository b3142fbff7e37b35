/** The failure of a version, which TensorFlow Serving reports beside its state. */
export interface Failure {
  /** A gRPC status code, never OK. */
  readonly code: number;
  readonly message: string;
}

/** The state of a version; the names are those of `GetModelStatus`. */
export type VersionState =
  | { readonly state: "start" }
  | { readonly state: "loading" }
  | { readonly state: "available" }
  | { readonly state: "unloading" }
  | { readonly state: "end"; readonly failure?: Failure };

/** An event that changes the state of a version. */
export type VersionEvent =
  | { readonly event: "slot-free" }
  | { readonly event: "loaded" }
  | { readonly event: "unload-requested" }
  | { readonly event: "unloaded" }
  | { readonly event: "failed"; readonly failure: Failure };

/**
 * Returns the next state of a version: start → loading → available → unloading → end, and from the first two
 * immediately to the end if it fails. A version that is requested again after its end is another version.
 *
 * @throws RangeError for an event that cannot occur in that state: a programming error
 */
export function afterEvent(current: VersionState, what: VersionEvent): VersionState {
  switch (`${current.state} ${what.event}`) {
    case "start slot-free":
      return { state: "loading" };
    case "loading loaded":
      return { state: "available" };
    case "available unload-requested":
      return { state: "unloading" };
    case "unloading unloaded":
      return { state: "end" };
  }
  const isBeginning = current.state === "start" || current.state === "loading";
  if (what.event === "failed" && isBeginning) return { state: "end", failure: what.failure };
  throw new RangeError(`a version in state ${current.state} cannot be ${what.event}`);
}

/** Whether a version is being loaded or unloaded, so that a retry may succeed. */
export function isInTransition({ state }: VersionState): boolean {
  return state === "start" || state === "loading" || state === "unloading";
}
