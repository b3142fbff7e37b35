/** What went wrong with a version, as TensorFlow Serving puts it beside its state. */
export interface Failure {
  /** A gRPC status code, never OK. */
  readonly code: number;
  readonly message: string;
}

/** How far a version is; the names are those of `GetModelStatus`. */
export type VersionState =
  | { readonly state: "start" }
  | { readonly state: "loading" }
  | { readonly state: "available" }
  | { readonly state: "unloading" }
  | { readonly state: "end"; readonly failure?: Failure };

/** What happens to a version. */
export type VersionEvent =
  | { readonly event: "room-made" }
  | { readonly event: "loaded" }
  | { readonly event: "not-wanted" }
  | { readonly event: "released" }
  | { readonly event: "failed"; readonly failure: Failure };

/**
 * The life of a version: start → loading → available → unloading → end, and from the first two straight to the end
 * when it fails. An ended version that is wanted again begins anew, as another life.
 *
 * @throws RangeError for an event that cannot happen in that state: that is a mistake of ours
 */
export function afterEvent(current: VersionState, what: VersionEvent): VersionState {
  switch (`${current.state} ${what.event}`) {
    case "start room-made":
      return { state: "loading" };
    case "loading loaded":
      return { state: "available" };
    case "available not-wanted":
      return { state: "unloading" };
    case "unloading released":
      return { state: "end" };
  }
  const isBeginning = current.state === "start" || current.state === "loading";
  if (what.event === "failed" && isBeginning) return { state: "end", failure: what.failure };
  throw new RangeError(`a version in state ${current.state} cannot be ${what.event}`);
}

/** Whether it is on its way in or out, so that asking again later may help. */
export function isOnTheMove({ state }: VersionState): boolean {
  return state === "start" || state === "loading" || state === "unloading";
}
