/** How the regions and replicas behind a gateway are doing at this moment. */
export interface GatewayStatus {
  /** Of the gateway's software. */
  readonly version: string;
  /** Where the gateway is. */
  readonly region: string;
  /** The gateway's own first, then the nearest. */
  readonly regions: readonly RegionStatus[];
}

export interface RegionStatus {
  readonly name: string;
  /** Expected from the gateway's region, in milliseconds; absent where nothing is known of it. */
  readonly roundTripMs?: number;
  readonly pools: readonly PoolStatus[];
  /** Whether it is there, in a demo that can take it away; absent elsewhere. */
  readonly isPlugged?: boolean;
}

/** The replicas of one model in one region. */
export interface PoolStatus {
  readonly model: string;
  readonly replicas: readonly ReplicaStatus[];
}

export interface ReplicaStatus {
  /** Names it as long as the gateway runs. Tells no address. */
  readonly id: string;
  readonly state: "warming" | "ready" | "ejected";
  readonly inFlight: number;
  /** Attempts that were answered. */
  readonly answered: number;
  /** Attempts that failed for a reason of the replica or of the way to it. */
  readonly failed: number;
  /** Moving average of the answered attempts, in milliseconds; absent before the first. */
  readonly latencyMs?: number;
}
