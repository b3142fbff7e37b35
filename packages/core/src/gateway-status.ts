import type { CapacityStatus } from "./device-capacity.ts";

/** How the regions and replicas behind a gateway are doing at this moment. */
export interface GatewayStatus {
  /** Of the gateway's software. */
  readonly version: string;
  /** Where the gateway is. */
  readonly region: string;
  /** Since the gateway was built, in milliseconds. */
  readonly uptimeMs: number;
  /** The gateway's own first, then the nearest. */
  readonly regions: readonly RegionStatus[];
  /** Further attempts that may be made now after failures. */
  readonly retriesLeft: number;
  /** Present if several gateways share the slots of the replicas. */
  readonly sharing?: SharingStatus;
  /** Present if the gateway counts free devices of its cluster. */
  readonly capacity?: CapacityStatus;
}

/** How a gateway shares the slots of the replicas with others. */
export interface SharingStatus {
  /**
   * `owner` gives the slots to the calls of all gateways, `follower` gets them from the owner, `alone` has no owner in
   * reach and uses only its share of the slots.
   */
  readonly role: "owner" | "follower" | "alone";
  /** Gateways that share the slots, as far as is known; this one counts. */
  readonly gatewayCount: number;
  /** Times that this gateway lost its owner. */
  readonly ownersLost: number;
  /** Why it is alone, if a reason is known. */
  readonly because?: string;
}

/**
 * Returns the share of the slots that the calls of a gateway can have: all of them, where an owner gives them to the calls of
 * all gateways, and otherwise its own part.
 */
export function slotShare({
  role,
  gatewayCount,
}: Pick<SharingStatus, "role" | "gatewayCount">): number {
  return role === "alone" ? 1 / Math.max(2, gatewayCount) : 1;
}

/** Writes the share of the slots as people read it, such as `1/3`. */
export function slotShareText(sharing: Pick<SharingStatus, "role" | "gatewayCount">): string {
  const parts = Math.round(1 / slotShare(sharing));
  return parts === 1 ? "all" : `1/${parts}`;
}

export interface RegionStatus {
  readonly name: string;
  /** Expected from the gateway's region, in milliseconds; absent where nothing is known of it. */
  readonly roundTripMs?: number;
  readonly pools: readonly PoolStatus[];
  /** Whether its outage is simulated now, in a demo that can do so; absent elsewhere. */
  readonly hasOutage?: boolean;
}

/** The replicas of one model in one region. */
export interface PoolStatus {
  readonly model: string;
  /** Calls that wait for a replica. */
  readonly waiting: number;
  /** Until a replica would begin with a new call, in milliseconds; absent where none serves. */
  readonly expectedWaitMs?: number;
  /** Whether more comes than can be done, so that calls go elsewhere or are rejected. */
  readonly isOverloaded: boolean;
  readonly replicas: readonly ReplicaStatus[];
}

export interface ReplicaStatus {
  /** Id of the replica as long as the gateway runs; not its address. */
  readonly id: string;
  /** Absent in the status for clients. */
  readonly address?: string;
  /**
   * `half-open` gets one call at a time; `suspect` gets none until its current probe has ended; `ejected` is
   * probed at intervals; `draining` gets no new calls.
   */
  readonly state: "warming" | "ready" | "half-open" | "suspect" | "ejected" | "draining";
  readonly inFlight: number;
  /** Calls that it may have in flight. */
  readonly slots: number;
  /** Attempts that were answered. */
  readonly answered: number;
  /** Attempts that failed for a reason of the replica or of the way to it. */
  readonly failed: number;
  /** How often it was taken out. */
  readonly ejections: number;
  /** What a call usually takes there without the way, in milliseconds; absent before the first. */
  readonly serviceMs?: number;
  /** Moving average of the answered attempts, the way included, in milliseconds; absent before the first. */
  readonly latencyMs?: number;
  /** Details of the last probe, unless the model was simply ready; absent in the status for clients. */
  readonly lastProbe?: string;
}

/** Whether the gateway may get calls, and why not. */
export interface Readiness {
  readonly isReady: boolean;
  readonly because: string;
}
