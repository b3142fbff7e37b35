/** How a replica serves. */
export interface ReplicaSettings {
  /** 0 takes a free one. */
  readonly port: number;
  /** Requests that it processes at the same time; others are queued. */
  readonly concurrency: number;
  readonly usualMs: number;
  readonly slowMs: number;
  /** Share of requests that take `slowMs` instead of `usualMs`: 0..1. */
  readonly slowShare: number;
  readonly seed: number;
  /** Every answer comes this much later, without occupying a worker: the distance of the replica. */
  readonly roundTripMs: number;
  /** Time after its start in which it reports LOADING and does not score, in milliseconds. */
  readonly loadingMs: number;
  /** Makes it a model that counts; a line for every request that it executed goes to this file. */
  readonly executedFile?: string;
}

/** What is wrong with a replica from the outside. Signals and resets come beside these. */
export type ReplicaFault =
  | { readonly kind: "none" }
  /** Every request takes so many times as long. */
  | { readonly kind: "slow"; readonly factor: number }
  /** Predict is refused with UNAVAILABLE as soon as it comes, and the model's status is fine. */
  | { readonly kind: "instant-failure" }
  /** Predict is answered by bytes that are no reply. */
  | { readonly kind: "garbage" }
  /** Takes connections and calls, and never answers one. */
  | { readonly kind: "blackhole" }
  /** Now and then a connection gets a GOAWAY while calls are in flight, the newest of them unprocessed. */
  | { readonly kind: "goaway" };

export type ReplicaCommands = {
  readonly start: (settings: ReplicaSettings) => Promise<{ readonly port: number }>;
  /** @returns when it began, by the shared clock */
  readonly fault: (fault: ReplicaFault) => number;
  /** Resets every connection. @returns when */
  readonly reset: () => number;
  /** Predicts whose work was begun. */
  readonly executed: () => number;
  /** Accepts no new call, finishes those in flight, and ends the process. */
  readonly drain: () => void;
};
