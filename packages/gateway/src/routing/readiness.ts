import type { DispatcherStatus, PoolReport } from "./dispatcher/dispatcher-status.ts";
import { type ReplicaStateName, replicaStates } from "./dispatcher/events.ts";

export interface Readiness {
  readonly isReady: boolean;
  readonly because: string;
}

/** Ready as soon as one replica of some pool is, and as long as the gateway is not closing. */
export function readinessOf(
  { pools }: DispatcherStatus,
  { isClosing }: { readonly isClosing: boolean },
): Readiness {
  if (isClosing) return { isReady: false, because: "the gateway is closing" };
  const count = pools.filter(canServe).length;
  return { isReady: count > 0, because: `${count} of ${pools.length} pools can serve` };
}

export function canServe({ replicas }: PoolReport): boolean {
  return replicas.some(({ state }) => state === "ready" || state === "returning");
}

export interface ReplicaCount {
  readonly model: string;
  readonly region: string;
  readonly state: ReplicaStateName;
  readonly count: number;
}

/** How many replicas of each model and region are in each state. */
export function replicaCounts({ pools }: DispatcherStatus): readonly ReplicaCount[] {
  return pools.flatMap(({ model, region, replicas }) =>
    replicaStates.map((state) => ({
      ...{ model, region, state },
      count: replicas.filter((each) => each.state === state).length,
    })),
  );
}
