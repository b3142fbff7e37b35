import type { Refusal } from "../events.ts";
import {
  mayGoTo,
  refusalFor,
  type SurveyedPool,
  selectRegion,
  traceOf,
} from "../regions/region-selection.ts";
import { isCandidate, mayHaveByNow } from "../replicas/replica.ts";
import {
  note,
  type OpenRequest,
  type Pool,
  type PoolGroup,
  probe,
  type SchedulerSettings,
  type SchedulerState,
} from "../state.ts";

/** Requests on their way into queues and out of them. */
export interface Admission {
  /**
   * Has a request wait where it is best for it, or refuses it.
   *
   * @param atFront - of its class: it has had its turn already
   * @param pools - of its model, where they are surveyed already
   */
  enter(request: OpenRequest, atFront: boolean, pools?: readonly SurveyedPool[]): void;
  leave(request: OpenRequest): void;
  /** Ends a request without an answer, unless one may still come. */
  refuse(request: OpenRequest, because: Refusal): void;
  /** Ends a request with the answer of an attempt. */
  settle(request: OpenRequest, attemptId: number): void;
  /** Has every request that waits for `pool` choose again. */
  waitElsewhere(pool: Pool): void;
  /** Has those choose again that can get no replica of `pool` any more. */
  leaveIfStuck(pool: Pool): void;
  /** Places those again that seek a version of a model that no replica listed: a probe has come back, or pools changed. */
  searchOn(group: PoolGroup): void;
  /** Refuses those that wait longest in a pool that is shedding: the newest come first there, so that they would wait on. */
  giveUpStale(pool: Pool): void;
}

/** Refusals of a request that more recent words of replicas may make needless. */
const saysAbsent: ReadonlySet<Refusal> = new Set([
  "unknown-version",
  "attempt-failed",
  "no-replica",
  "model-not-ready",
]);

/** A line that is too long gives up what waits longer than so many targets. */
const staleTargets = 10;

export function createAdmission(state: SchedulerState, settings: SchedulerSettings): Admission {
  function leave(request: OpenRequest): void {
    request.waitsIn?.line.remove(request.id);
    request.waitsIn = undefined;
    state.searching.delete(request);
  }

  function refuse(request: OpenRequest, because: Refusal): void {
    leave(request);
    if (request.underWay.length > 0) return;
    if (request.trace) note(state, request, { what: "refused", because });
    const { id, lastFailed, trace } = request;
    state.commands.push({
      type: "refuse",
      id,
      because,
      retryAfterMs: retryAfterMs(request),
      ...(lastFailed && { attemptId: lastFailed.attemptId }),
      ...(trace && { trace }),
    });
    state.requests.delete(id);
  }

  /** Until the first of its replicas is probed, or its line is half as long. */
  function retryAfterMs({ group, rank }: OpenRequest): number {
    const { nowMs } = state;
    let soonestMs = settings.maxEjectionMs;
    for (const pool of group.pools) {
      soonestMs = Math.min(soonestMs, pool.expectedWaitMs(rank, pool.survey(nowMs)) / 2);
      for (const { outUntilMs } of pool.replicas.values()) {
        if (outUntilMs !== undefined) soonestMs = Math.min(soonestMs, outUntilMs - nowMs);
      }
    }
    return Math.max(settings.initialEjectionMs, soonestMs);
  }

  function surveyed(request: OpenRequest): SurveyedPool[] {
    const { nowMs } = state;
    return request.group.pools.map((pool) => ({ pool, survey: pool.survey(nowMs, request) }));
  }

  function enter(
    request: OpenRequest,
    atFront: boolean,
    pools: readonly SurveyedPool[] = surveyed(request),
  ): void {
    const { pool: chosen, considered } = selectRegion(request, pools, request.group.usedRegion);
    if (request.trace) {
      const seen = considered.map((each) => traceOf(each, each.pool === chosen));
      note(state, request, { what: "regions", considered: seen });
    }
    const refusal = chosen ? undefined : refusalFor(request, request.group.pools, considered);
    const pool = refusal === "overloaded" ? makeRoom(request, considered) : chosen;
    if (pool) {
      const { region, line } = pool;
      request.group.usedRegion = region;
      request.sinceMs = state.nowMs;
      request.waitsIn = pool;
      line.add(request, atFront && pool === chosen);
      state.touched.add(pool);
      if (!request.trace) return;
      note(state, request, { what: "waits", region, position: line.aheadOf(request.rank) });
    } else if (refusal && !(saysAbsent.has(refusal) && search(request))) {
      // What a region refuses another one is no need of its own callers.
      const isOwn = refusal === "overloaded" && !request.isForwarded;
      if (isOwn) for (const each of considered) each.pool.shed(state.nowMs);
      refuse(request, refusal);
    }
  }

  /**
   * A version may have come to a replica since that was last probed, as in the middle of a roll-out: a request that names
   * it waits for probes that are sent now.
   */
  function search(request: OpenRequest): boolean {
    if (state.searching.size >= settings.maxWaiting) return false;
    for (const pool of request.group.pools) {
      if (!mayGoTo(request, pool)) continue;
      for (const replica of pool.replicas.values()) {
        if (!mayHaveByNow(request, replica)) continue;
        probe(state, pool, replica);
        state.searching.add(request);
      }
    }
    return state.searching.has(request);
  }

  /** Refuses what matters less where too much is waiting. @returns the pool that has room then */
  function makeRoom(request: OpenRequest, pools: readonly SurveyedPool[]): Pool | undefined {
    for (const { pool, survey } of pools) {
      const lowest = survey.canServe ? pool.line.lowestBelow(request.rank) : undefined;
      if (!lowest) continue;
      refuse(lowest, "overloaded");
      return pool;
    }
    return undefined;
  }

  return {
    enter,
    leave,
    refuse,
    settle: (request, attemptId) => {
      leave(request);
      // Of other attempts the reply is waited for all the same: it tells when the replica is free again.
      for (const attempt of request.underWay) attempt.isLeftOver = true;
      const { id, trace } = request;
      state.commands.push({ type: "settle", id, attemptId, ...(trace && { trace }) });
      state.requests.delete(id);
    },
    waitElsewhere: (pool) => {
      for (const request of pool.line.clear()) {
        request.waitsIn = undefined;
        enter(request, false);
      }
    },
    leaveIfStuck: (pool) => {
      for (const request of pool.line.all()) {
        if (canServe(pool, request)) continue;
        leave(request);
        enter(request, request.lastFailed !== undefined);
      }
    },
    searchOn: (group) => {
      for (const request of [...state.searching]) {
        if (request.group !== group) continue;
        state.searching.delete(request);
        enter(request, request.lastFailed !== undefined);
      }
    },
    giveUpStale: (pool) => {
      const staleMs = staleTargets * pool.targetMs(pool.survey(state.nowMs));
      for (let each = pool.line.oldest(); each; each = pool.line.oldest()) {
        if (state.nowMs - each.sinceMs <= staleMs) return;
        refuse(each, "overloaded");
      }
    },
  };
}

/** Whether some replica there may get the request. */
function canServe({ replicas }: Pool, request: OpenRequest): boolean {
  for (const replica of replicas.values()) {
    if (replica.isServing && isCandidate(request, replica)) return true;
  }
  return false;
}
