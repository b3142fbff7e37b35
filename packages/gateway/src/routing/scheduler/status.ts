import type { ProbeNote, ReplicaStateName, ReplicaVersions } from "./events.ts";
import { rankOf } from "./queues/request-queue.ts";
import type { Pool } from "./state.ts";

/** State of the pools at one moment. */
export interface SchedulerStatus {
  readonly pools: readonly PoolReport[];
  /** Extra attempts that the retry budget allows. */
  readonly retriesLeft: number;
}

export interface PoolReport {
  readonly model: string;
  readonly region: string;
  /** Queued requests. */
  readonly waiting: number;
  /** How long a new request would wait, in milliseconds; absent if no replica serves. */
  readonly expectedWaitMs?: number;
  /** Round trip, in milliseconds; 0 in the gateway's own region. */
  readonly roundTripMs: number;
  readonly isOverloaded: boolean;
  readonly replicas: readonly ReplicaReport[];
}

export interface ReplicaReport {
  readonly id: string;
  readonly state: ReplicaStateName;
  readonly inFlight: number;
  readonly slots: number;
  /** Median service time, in milliseconds; absent before the first request. */
  readonly serviceMs?: number;
  /** Moving average of the answered attempts, round trip included, in milliseconds; absent before the first. */
  readonly latencyMs?: number;
  readonly answered: number;
  readonly failed: number;
  readonly ejections: number;
  readonly versions: ReplicaVersions;
  /** What the last probe found, unless the model was simply ready. */
  readonly probeNote?: ProbeNote;
}

const newRank = rankOf({ priority: "normal", isForwarded: false });

export function schedulerStatus(
  pools: readonly Pool[],
  { nowMs, retriesLeft }: { readonly nowMs: number; readonly retriesLeft: number },
): SchedulerStatus {
  return { retriesLeft, pools: pools.map((pool) => poolReport(pool, nowMs)) };
}

function poolReport(pool: Pool, nowMs: number): PoolReport {
  const { model, region, queue, overload } = pool;
  const survey = pool.survey(nowMs);
  const expectedWaitMs = pool.expectedWaitMs(newRank, survey);
  return {
    model,
    region,
    waiting: queue.length,
    isOverloaded: overload.isOn,
    roundTripMs: survey.roundTripMs,
    ...(Number.isFinite(expectedWaitMs) && { expectedWaitMs }),
    replicas: [...pool.replicas.values()].map((replica): ReplicaReport => {
      const { member, slots, counts, versions, probeNote, latencyMs } = replica;
      return {
        id: member.id,
        state: replica.state(nowMs),
        inFlight: slots.inFlight(nowMs),
        slots: slots.slotCount,
        answered: counts.answered,
        failed: counts.failed,
        ejections: counts.ejections,
        versions,
        ...(counts.answered > 0 && { serviceMs: slots.usualMs }),
        ...(probeNote && { probeNote }),
        ...(latencyMs !== undefined && { latencyMs }),
      };
    }),
  };
}
