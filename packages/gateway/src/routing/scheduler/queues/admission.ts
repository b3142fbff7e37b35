import type { Arrival, Rejection } from "../events.ts";
import {
  isEligible,
  rejectionFor,
  type SurveyedPool,
  selectRegion,
  traceOf,
} from "../regions/region-selection.ts";
import { maxIdleProbeMs } from "../replicas/health.ts";
import { isCandidate, mayHaveByNow, type ScheduledReplica } from "../replicas/replica.ts";
import {
  addStep,
  type OpenRequest,
  type Pool,
  type PoolGroup,
  probe,
  type SchedulerSettings,
  type SchedulerState,
  type SentAttempt,
} from "../state.ts";
import { rankOf } from "./request-queue.ts";

/** Puts requests into queues, and takes them out. */
export interface Admission {
  /**
   * Queues a request in the region that is selected for it, or rejects it.
   *
   * @param atFront - whether it goes to the front of its class: it was sent before
   */
  enter(request: OpenRequest, atFront: boolean): void;
  /**
   * Rejects a request that was not admitted yet if it would be rejected for want of capacity, and counts it.
   *
   * @returns when to try again, in milliseconds; undefined if it may come in
   */
  shedEarly(request: OpenRequest): number | undefined;
  /** Takes a request out of its queue. */
  leave(request: OpenRequest): void;
  /** Ends a request without an answer, unless an attempt is in flight. */
  reject(request: OpenRequest, because: Rejection): void;
  /** Ends a request with the answer of an attempt. */
  settle(request: OpenRequest, attemptId: number): void;
  /** Selects a region again for every request that is queued for `pool`. */
  requeueAll(pool: Pool): void;
  /** The same for those that no replica of `pool` can serve any more. */
  requeueIneligible(pool: Pool): void;
  /** The same for those that wait for a version that no replica listed: a probe has ended, or pools changed. */
  requeueSearching(group: PoolGroup): void;
  /** Rejects those that wait longest in a pool that is shedding: the newest go first there. */
  rejectStale(pool: Pool): void;
}

/** Rejections that a new probe of the replicas may make needless. */
const saysAbsent: ReadonlySet<Rejection> = new Set([
  "unknown-version",
  "attempt-failed",
  "no-replica",
  "model-not-ready",
]);

/** Queueing delay above which a request is stale while its pool sheds, as a multiple of the target. */
const staleTargets = 10;

export function createAdmission(state: SchedulerState, settings: SchedulerSettings): Admission {
  function leave(request: OpenRequest): void {
    request.queuedIn?.queue.remove(request);
    request.queuedIn = undefined;
    state.searching.delete(request);
  }

  function reject(request: OpenRequest, because: Rejection): void {
    leave(request);
    if (request.inFlight.length > 0) return;
    if (request.trace) addStep(state, request, { what: "refused", because });
    const { id, lastFailed, trace } = request;
    state.commands.push({
      type: "reject",
      id,
      because,
      retryAfterMs: retryAfterMs(request),
      ...(lastFailed && { attemptId: lastFailed.attemptId }),
      ...(trace && { trace }),
    });
    state.requests.delete(id);
  }

  /**
   * Returns how long until a replica that does not serve is probed, or the queue is half as long, in whole milliseconds.
   * While none of a pool serves, that is sooner than the end of an ejection.
   */
  function retryAfterMs({ group, rank }: OpenRequest): number {
    const { nowMs } = state;
    let soonestMs = settings.maxEjectionMs;
    for (const pool of group.pools) {
      soonestMs = Math.min(soonestMs, pool.expectedWaitMs(rank, pool.survey(nowMs)) / 2);
      for (const replica of pool.replicas.values()) {
        if (!replica.isServing) soonestMs = Math.min(soonestMs, probedAtMs(replica) - nowMs);
      }
    }
    return Math.max(settings.initialEjectionMs, Math.ceil(soonestMs));
  }

  function enter(request: OpenRequest, atFront: boolean): void {
    const { pool: chosen, considered } = selectRegion(request, state.nowMs);
    if (request.trace) {
      const seen = considered.map((each) => traceOf(request, each, each.pool === chosen));
      addStep(state, request, { what: "regions", considered: seen });
    }
    const rejection = chosen ? undefined : rejectionFor(request, request.group.pools, considered);
    const pool = rejection === "overloaded" ? makeRoom(request, considered) : chosen;
    if (pool) {
      const { region, queue } = pool;
      request.group.usedRegion = region;
      request.sinceMs = state.nowMs;
      request.queuedIn = pool;
      queue.add(request, atFront && pool === chosen);
      if (!pool.mayHaveQueue) state.queueCount += 1;
      pool.mayHaveQueue = true;
      pool.touch();
      if (!request.trace) return;
      addStep(state, request, { what: "waits", region, position: queue.depthAhead(request.rank) });
    } else if (rejection && !(saysAbsent.has(rejection) && search(request))) {
      if (rejection === "overloaded") countShed(request, considered);
      reject(request, rejection);
    }
  }

  function countShed({ isForwarded }: OpenRequest, pools: readonly SurveyedPool[]): void {
    // A rejected request of another region says nothing of this region's own callers.
    if (!isForwarded) for (const { pool } of pools) pool.onShed(state.nowMs);
  }

  /**
   * Probes the replicas that may have loaded the version of a request since their last probe, as during a roll-out. The
   * request waits for the probes.
   *
   * @returns whether there is such a replica
   */
  function search(request: OpenRequest): boolean {
    if (state.searching.size >= settings.maxWaiting) return false;
    for (const pool of request.group.pools) {
      if (!isEligible(request, pool)) continue;
      for (const replica of pool.replicas.values()) {
        if (!mayHaveByNow(request, replica)) continue;
        probe(state, replica);
        state.searching.add(request);
      }
    }
    return state.searching.has(request);
  }

  /** Rejects a queued request of a lower class. @returns the pool that has capacity then */
  function makeRoom(request: OpenRequest, pools: readonly SurveyedPool[]): Pool | undefined {
    for (const each of pools) {
      const lowest = lowestBelow(request, each);
      if (!lowest) continue;
      reject(lowest, "overloaded");
      return each.pool;
    }
    return undefined;
  }

  return {
    enter,
    shedEarly: (request) => {
      const { pool, considered } = selectRegion(request, state.nowMs);
      if (pool || considered.some((each) => lowestBelow(request, each))) return undefined;
      if (rejectionFor(request, request.group.pools, considered) !== "overloaded") return undefined;
      for (const each of request.group.pools) each.observeArrival(state.nowMs);
      countShed(request, considered);
      return retryAfterMs(request);
    },
    leave,
    reject,
    settle: (request, attemptId) => {
      leave(request);
      // The replies of other attempts still tell when their replicas are free.
      for (const attempt of request.inFlight) attempt.isOrphaned = true;
      const { id, trace } = request;
      state.commands.push(
        trace ? { type: "settle", id, attemptId, trace } : { type: "settle", id, attemptId },
      );
      state.requests.delete(id);
    },
    requeueAll: (pool) => {
      for (const request of pool.queue.clear()) {
        request.queuedIn = undefined;
        enter(request, false);
      }
    },
    requeueIneligible: (pool) => {
      for (const request of pool.queue.all()) {
        if (canServe(pool, request)) continue;
        leave(request);
        enter(request, request.lastFailed !== undefined);
      }
    },
    requeueSearching: (group) => {
      for (const request of [...state.searching]) {
        if (request.group !== group) continue;
        state.searching.delete(request);
        enter(request, request.lastFailed !== undefined);
      }
    },
    rejectStale: (pool) => {
      const staleMs = staleTargets * pool.targetMs(pool.survey(state.nowMs));
      for (let each = pool.queue.oldest(); each; each = pool.queue.oldest()) {
        if (state.nowMs - each.sinceMs <= staleMs) return;
        reject(each, "overloaded");
      }
    },
  };
}

/** Most requests fail nowhere, and a list that grows begins with room for many. */
const none: ReadonlySet<string> = new Set();
const noFailures: ReadonlyMap<string, number> = new Map();
const noAttempts: readonly SentAttempt[] = [];
const noReplicas: readonly ScheduledReplica[] = [];

/** A request to which nothing has happened yet. */
export function openRequest(arrival: Arrival, group: PoolGroup, nowMs: number): OpenRequest {
  // Field by field: an object that is spread and then extended is made of several.
  return {
    id: arrival.id,
    version: arrival.version,
    versionLabel: arrival.versionLabel,
    deadlineMs: arrival.deadlineMs,
    region: arrival.region,
    residency: arrival.residency,
    isIdempotent: arrival.isIdempotent,
    // A hedge does the work twice.
    mayHedge: arrival.mayHedge && arrival.isIdempotent,
    isForwarded: arrival.isForwarded,
    detourMs: arrival.detourMs ?? 0,
    group,
    rank: rankOf(arrival),
    arrivedMs: nowMs,
    sinceMs: nowMs,
    queuedIn: undefined,
    before: undefined,
    after: undefined,
    inFlight: noAttempts,
    excluded: none,
    isChoosy: arrival.version !== undefined || arrival.versionLabel !== undefined,
    failures: noFailures,
    failedCount: 0,
    failedBy: noReplicas,
    lostReplicaCount: 0,
    lastFailed: undefined,
    trace: arrival.isTraced ? [] : undefined,
  };
}

/** Returns when a replica is probed next, in milliseconds; the probe in flight, if any, may end without an answer. */
function probedAtMs({ isProbeInFlight, probeSentMs, nextProbeMs }: ScheduledReplica): number {
  return isProbeInFlight ? probeSentMs + maxIdleProbeMs : nextProbeMs;
}

/** Whether some replica of a pool may get a request. */
function canServe({ replicas }: Pool, request: OpenRequest): boolean {
  for (const replica of replicas.values()) {
    if (replica.isServing && isCandidate(request, replica)) return true;
  }
  return false;
}

/** Finds a queued request that a pool would give up for one of a higher class. */
function lowestBelow(
  { rank }: OpenRequest,
  { pool, survey }: SurveyedPool,
): OpenRequest | undefined {
  return survey.canServe ? pool.queue.lowestBelow(rank) : undefined;
}
