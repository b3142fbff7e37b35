/** One step of what the router decided about a call. Replicas have the names that the status gives them. */
export interface RoutingStep {
  /** Since the call came to the router, in milliseconds. */
  readonly atMs: number;
  readonly step:
    | { readonly what: "regions"; readonly considered: readonly ConsideredRegion[] }
    /** It is in the line of a region, so many from its front, itself counted. */
    | { readonly what: "waits"; readonly region: string; readonly position: number }
    | {
        readonly what: "sent";
        readonly region: string;
        readonly replicaId: string;
        /** Whether another replica is still working on it. */
        readonly isHedge: boolean;
      }
    | { readonly what: "answered"; readonly region: string; readonly replicaId: string }
    | {
        readonly what: "failed";
        readonly region: string;
        readonly replicaId: string;
        readonly because: string;
      }
    | { readonly what: "refused"; readonly because: string };
}

export interface ConsideredRegion {
  readonly region: string;
  readonly roundTripMs: number;
  /** Until a replica would begin with it; absent where none can. */
  readonly expectedWaitMs?: number;
  /** What the choice is made by, in milliseconds; absent where the region was wished for. */
  readonly costMs?: number;
  /** Why it was left out. */
  readonly leftOut?: string;
  readonly isChosen: boolean;
}
