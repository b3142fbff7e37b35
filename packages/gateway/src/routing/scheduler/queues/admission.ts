import type { RoutingStep } from "@tensorgate/core";
import type { Refusal } from "../events.ts";
import { isCandidate, mayHaveByNow, type OpenRequest, type RequestPool } from "../open-request.ts";
import { mayGoTo, place } from "../regions/region-selection.ts";
import { poolsOf, probe, type SchedulerSettings, type SchedulerState } from "../state.ts";

/** Requests on their way into lines and out of them. */
export interface Lines {
  /**
   * Puts a request in the line of the region that is best for it, or refuses it.
   *
   * @param atFront - of its class: it has had its turn already
   */
  enter(request: OpenRequest, atFront: boolean): void;
  leave(request: OpenRequest): void;
  /** Ends a request without an answer, unless one may still come. */
  refuse(request: OpenRequest, because: Refusal): void;
  /** Ends a request with the answer of an attempt. */
  settle(request: OpenRequest, attemptId: number): void;
  /** Has everybody who waits for `pool` choose anew. */
  waitElsewhere(pool: RequestPool): void;
  /** Has those choose anew who can get no replica of `pool` any more. */
  leaveIfStuck(pool: RequestPool): void;
  /** Places those again who seek a version of `model` that no replica listed: a probe has come back, or pools changed. */
  searchOn(model: string): void;
  /** Where the newest come first, the oldest would wait for ever: they are told. */
  giveUpStale(pool: RequestPool): void;
  note(request: OpenRequest, step: RoutingStep["step"]): void;
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

export function lines(state: SchedulerState, settings: SchedulerSettings): Lines {
  /** Where the last request of each model went. */
  const usedRegions = new Map<string, string>();

  function note(request: OpenRequest, step: RoutingStep["step"]): void {
    request.trace?.push({ atMs: state.nowMs - request.arrivedMs, step });
  }

  function leave(request: OpenRequest): void {
    request.waitsIn?.line.remove(request.id);
    request.waitsIn = undefined;
    state.searching.delete(request);
  }

  function refuse(request: OpenRequest, because: Refusal): void {
    leave(request);
    if (request.underWay.length > 0) return;
    note(request, { what: "refused", because });
    const { id, lastFailed, trace } = request;
    state.commands.push({
      ...{ type: "refuse", id, because, retryAfterMs: retryAfterMs(request) },
      ...(lastFailed && { attemptId: lastFailed.attemptId }),
      ...(trace && { trace }),
    });
    state.requests.delete(id);
  }

  /** Until the first of its replicas is probed, or its line is half as long. */
  function retryAfterMs({ model, rank }: OpenRequest): number {
    const { initialEjectionMs, maxEjectionMs } = settings;
    const pools = poolsOf(state, model);
    const halfMs = pools.map((pool) => pool.expectedWaitMs(rank, state.nowMs) / 2);
    const outMs = pools
      .flatMap(({ replicas }) => [...replicas.values()])
      .flatMap(({ outUntilMs }) => (outUntilMs === undefined ? [] : [outUntilMs - state.nowMs]));
    return Math.max(initialEjectionMs, Math.min(...outMs, ...halfMs, maxEjectionMs));
  }

  function enter(request: OpenRequest, atFront: boolean): void {
    const pools = poolsOf(state, request.model);
    const usedRegion = usedRegions.get(request.model) ?? settings.ownRegion;
    const placed = place(request, pools, { usedRegion, nowMs: state.nowMs });
    note(request, { what: "regions", considered: placed.considered });
    if (!("refusal" in placed)) {
      join(request, placed.pool, atFront);
      return;
    }
    if (placed.refusal === "overloaded") {
      const allowed = pools.filter((pool) => mayGoTo(request, pool));
      if (tookPlace(request, allowed)) return;
      // What a region refuses another one is no need of its own callers.
      if (!request.isForwarded) for (const pool of allowed) pool.shed(state.nowMs);
    }
    if (saysAbsent.has(placed.refusal) && search(request, pools)) return;
    refuse(request, placed.refusal);
  }

  /**
   * A version may have come to a replica since that was last probed, as in the middle of a roll-out: who names it waits
   * for probes that are sent now.
   */
  function search(request: OpenRequest, pools: readonly RequestPool[]): boolean {
    if (state.searching.size >= settings.maxWaiting) return false;
    for (const pool of pools.filter((each) => mayGoTo(request, each))) {
      for (const replica of pool.replicas.values()) {
        if (!mayHaveByNow(request, replica)) continue;
        probe(state, pool, replica);
        state.searching.add(request);
      }
    }
    return state.searching.has(request);
  }

  function join(request: OpenRequest, pool: RequestPool, atFront: boolean): void {
    const { region, line } = pool;
    usedRegions.set(request.model, region);
    request.sinceMs = state.nowMs;
    request.waitsIn = pool;
    line.add(request, atFront);
    state.touched.add(pool);
    note(request, { what: "waits", region, position: line.aheadOf(request.rank) });
  }

  /** What matters less gives way where too much is waiting. */
  function tookPlace(request: OpenRequest, pools: readonly RequestPool[]): boolean {
    for (const pool of pools.filter((each) => canServe(each, request))) {
      const lowest = pool.line.lowestBelow(request.rank);
      if (!lowest) continue;
      refuse(lowest, "overloaded");
      join(request, pool, false);
      return true;
    }
    return false;
  }

  function waitElsewhere(pool: RequestPool): void {
    for (const request of pool.line.clear()) {
      request.waitsIn = undefined;
      enter(request, false);
    }
  }

  return {
    enter,
    leave,
    refuse,
    note,
    waitElsewhere,
    settle: (request, attemptId) => {
      leave(request);
      // Of other attempts the reply is waited for all the same: it tells when the replica is free again.
      for (const attempt of request.underWay) attempt.isLeftOver = true;
      const { id, trace } = request;
      state.commands.push({ type: "settle", id, attemptId, ...(trace && { trace }) });
      state.requests.delete(id);
    },
    leaveIfStuck: (pool) => {
      for (const request of pool.line.all()) {
        if (canServe(pool, request)) continue;
        leave(request);
        enter(request, request.lastFailed !== undefined);
      }
    },
    searchOn: (model) => {
      for (const request of [...state.searching]) {
        if (request.model !== model) continue;
        state.searching.delete(request);
        enter(request, request.lastFailed !== undefined);
      }
    },
    giveUpStale: (pool) => {
      if (!pool.isShedding(state.nowMs)) return;
      const staleMs = staleTargets * pool.targetMs();
      for (let each = pool.line.oldest(); each; each = pool.line.oldest()) {
        if (state.nowMs - each.sinceMs <= staleMs) return;
        refuse(each, "overloaded");
      }
    },
  };
}

/** Whether some replica there may get the request. */
function canServe({ replicas }: RequestPool, request: OpenRequest): boolean {
  return [...replicas.values()].some((each) => each.isServing && isCandidate(request, each));
}
