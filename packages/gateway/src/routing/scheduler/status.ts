import type { ProbeNote, ReplicaStateName } from "./events.ts";
import type { RequestPool } from "./open-request.ts";
import { rankOf } from "./queues/rank.ts";
import type { ReplicaVersions } from "./replicas/versions.ts";

/** How everything is doing at one moment. */
export interface SchedulerStatus {
  readonly pools: readonly PoolReport[];
  /** Extra attempts that may be made after failures. */
  readonly retriesLeft: number;
}

export interface PoolReport {
  readonly model: string;
  readonly region: string;
  /** Requests that wait for a slot. */
  readonly waiting: number;
  /** Until a replica would begin with a new request, in milliseconds; absent where none serves. */
  readonly expectedWaitMs?: number;
  /** Way there and back, in milliseconds; 0 in the gateway's own region. */
  readonly roundTripMs: number;
  readonly isOverloaded: boolean;
  readonly replicas: readonly ReplicaReport[];
}

export interface ReplicaReport {
  readonly id: string;
  readonly state: ReplicaStateName;
  readonly inFlight: number;
  readonly slots: number;
  /** What a request usually takes there, in milliseconds; absent before the first. */
  readonly serviceMs?: number;
  /** Moving average of the answered attempts, the way included, in milliseconds; absent before the first. */
  readonly latencyMs?: number;
  readonly answered: number;
  readonly failed: number;
  readonly ejections: number;
  readonly versions: ReplicaVersions;
  /** What the last probe found, unless the model was simply ready. */
  readonly probeNote?: ProbeNote;
}

const newcomer = rankOf({ priority: "normal", isForwarded: false });

export function schedulerStatus(
  pools: readonly RequestPool[],
  { nowMs, retriesLeft }: { readonly nowMs: number; readonly retriesLeft: number },
): SchedulerStatus {
  return { retriesLeft, pools: pools.map((pool) => poolReport(pool, nowMs)) };
}

function poolReport(pool: RequestPool, nowMs: number): PoolReport {
  const { model, region, line, overload } = pool;
  const expectedWaitMs = pool.expectedWaitMs(newcomer, nowMs);
  return {
    ...{ model, region, waiting: line.length, isOverloaded: overload.isOn },
    roundTripMs: pool.regionRoundTripMs(),
    ...(Number.isFinite(expectedWaitMs) && { expectedWaitMs }),
    replicas: [...pool.replicas.values()].map((replica): ReplicaReport => {
      const { member, slots, counts, versions, probeNote } = replica;
      const { answered, failed, ejections } = counts;
      return {
        ...{ id: member.id, state: replica.state(nowMs), inFlight: slots.inFlight(nowMs) },
        ...{ slots: slots.slotCount, answered, failed, ejections, versions },
        ...(answered > 0 && { serviceMs: slots.usualMs }),
        ...(probeNote && { probeNote }),
        ...(replica.latencyMs !== undefined && { latencyMs: replica.latencyMs }),
      };
    }),
  };
}
