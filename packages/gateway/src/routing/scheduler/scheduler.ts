import { createAttempts, timeoutCheckMs } from "./attempts.ts";
import type {
  Arrival,
  RoutedPool,
  SchedulerCommand,
  SchedulerEvent,
  VersionChoice,
} from "./events.ts";
import { createPool } from "./pool.ts";
import { createAdmission, openRequest } from "./queues/admission.ts";
import { rankOf } from "./queues/request-queue.ts";
import { type EligibilityHints, isEligible } from "./regions/region-selection.ts";
import { createOutlierDetection, hasServing } from "./replicas/outlier-detection.ts";
import {
  commonVersion,
  isCandidate,
  isInTime,
  listedVersions,
  type Member,
  type ScheduledReplica,
} from "./replicas/replica.ts";
import { createState, type Pool, type PoolGroup, probe, type SchedulerSettings } from "./state.ts";
import { type SchedulerStatus, schedulerStatus } from "./status.ts";

export type { SchedulerSettings };

export interface Scheduler {
  /**
   * Handles one event. @returns the commands that follow from it, in order
   *
   * @param nowMs - never less than for the event before
   */
  handle(event: SchedulerEvent, nowMs: number): readonly SchedulerCommand[];
  /** Whether a region that `hints` allow admits every request of a model: `shedEarly` needs not be asked then. */
  hasRoom(model: string, hints: EligibilityHints, nowMs: number): boolean;
  /**
   * Rejects a request whose body has not come in yet, if it would be rejected for want of capacity now.
   *
   * @returns when to try again, in milliseconds; undefined if it may come in
   */
  shedEarly(request: Arrival, nowMs: number): number | undefined;
  status(nowMs: number): SchedulerStatus;
  /**
   * Returns the version that would answer a request now; undefined if that is unknown, or differs between the replicas
   * that may get it.
   */
  expectedVersion(query: VersionQuery): bigint | undefined;
  /** Lists the versions of the replicas in the regions of a request, highest first. */
  versionsFor(query: VersionQuery): readonly bigint[];
  /**
   * Whether every pool can serve, except those whose devices hold another model. Costs no pass over the pools.
   *
   * @param isDevice - whether a replica holds one model at a time
   */
  canServeAll(isDevice: (replicaId: string) => boolean): boolean;
  /** Returns how long a request of another gateway would wait in this gateway's region, in milliseconds. */
  expectedWaitMs(model: string, nowMs: number): number;
}

/** What decides which versions may answer a request. */
export interface VersionQuery extends VersionChoice, EligibilityHints {
  readonly model: string;
}

const forwarded = rankOf({ priority: "normal", isForwarded: true });
/** Delay of a timer above which the event loop was stalled, in milliseconds: on a busy machine every timer is late. */
const maxTimerDelayMs = 15;

/**
 * Creates a scheduler, which decides where and when each request is sent, whether it is retried, and which replicas are
 * ejected.
 *
 * It is pure: events in, commands out. The same code runs behind sockets and in virtual time. A request is bound to a
 * replica only when a slot is ready, so that a queued request loses nothing when a replica dies; slots are few, so that a
 * slow request delays at most the next one.
 */
export function createScheduler(settings: SchedulerSettings): Scheduler {
  const { ownRegion } = settings;
  const state = createState();
  const admission = createAdmission(state, settings);
  const outliers = createOutlierDetection(state, settings, admission);
  const attempts = createAttempts({ state, settings, admission, outliers });
  let lastEventMs = Number.NEGATIVE_INFINITY;

  function addGroup(model: string): PoolGroup {
    const group = { model, pools: [], usedRegion: ownRegion };
    state.models.set(model, group);
    return group;
  }

  function arrive(arrival: Arrival): void {
    const { nowMs } = state;
    const group = state.models.get(arrival.model) ?? addGroup(arrival.model);
    const request = openRequest(arrival, group, nowMs);
    state.requests.set(request.id, request);
    attempts.retries.deposit();
    attempts.hedges.deposit();
    for (const pool of group.pools) pool.observeArrival(nowMs);
    admission.enter(request, false);
  }

  /** Sends queued requests to the replicas of a pool that have slots. */
  function serve(pool: Pool): void {
    const { queue } = pool;
    const { nowMs } = state;
    const isShedding = pool.overload.isOn && pool.isShedding(nowMs);
    if (isShedding && queue.length > 0) admission.rejectStale(pool);
    let skipped: Set<ScheduledReplica> | undefined;
    while (queue.length > 0) {
      const slot = skipped ? pool.soonestExcept(nowMs, skipped) : pool.soonest(nowMs);
      if (!slot) break;
      if (slot.atMs > nowMs) {
        state.wakeMs = Math.min(state.wakeMs, slot.atMs);
        break;
      }
      const { replica } = slot;
      const request = queue.first(isShedding, isCandidate, replica);
      if (!request) {
        skipped ??= new Set();
        skipped.add(replica);
        // A request that cannot be answered in time is not sent: a device would work for no caller.
      } else if (!isInTime(request, replica, nowMs)) admission.reject(request, "deadline");
      else {
        admission.leave(request);
        attempts.send(request, pool, replica);
      }
    }
    if (pool.mayHaveQueue && queue.length === 0) {
      pool.mayHaveQueue = false;
      state.queueCount -= 1;
    }
    const oldest = queue.length > 0 ? queue.oldest() : undefined;
    const waitedMs = nowMs - (oldest?.sinceMs ?? nowMs);
    // The target is at least that, and needs a pass over the replicas.
    const isShort = waitedMs < settings.codelTargetMs;
    const isLong = !isShort && waitedMs >= pool.targetMs(pool.survey(nowMs));
    const long = isLong && pool.isHeldUp(nowMs) ? "held-up" : "long";
    pool.overload.observe(isLong ? long : "short", nowMs);
  }

  function setPools(pools: readonly RoutedPool[]): void {
    const before = state.pools;
    state.isPaced = settings.pacing ?? !pools.some(({ isGateway }) => isGateway);
    state.pools = merged(pools).map(({ model, region, members }) => {
      const group = state.models.get(model) ?? addGroup(model);
      const known = group.pools.find((each) => each.region === region);
      const pool = known ?? createPool(region, { group, settings, state });
      for (const replica of pool.setMembers(members)) probe(state, replica);
      return pool;
    });
    const byGroup = Map.groupBy(state.pools, ({ group }) => group);
    for (const group of state.models.values()) group.pools = byGroup.get(group) ?? [];
    const present = new Set(state.pools);
    const gone = before.filter((each) => !present.has(each));
    for (const pool of gone) {
      pool.setMembers([]);
      state.unserved.delete(pool);
    }
    for (const pool of [...state.pools, ...gone]) {
      pool.touch();
      admission.requeueIneligible(pool);
    }
    for (const group of new Set([...state.searching].map((each) => each.group))) {
      admission.requeueSearching(group);
    }
  }

  /** Whether one of the devices of a pool serves another model. */
  function isHeldByOther({ replicas }: Pool, isDevice: (id: string) => boolean): boolean {
    const devices = [...replicas.keys()].filter(isDevice);
    return devices.some((id) => state.pools.some((each) => each.replicas.get(id)?.isServing));
  }

  /** Lists the replicas in the regions of a request, including those that are out. */
  function* replicasFor({ model, ...query }: VersionQuery): Iterable<ScheduledReplica> {
    for (const pool of state.models.get(model)?.pools ?? []) {
      if (isEligible(query, pool)) yield* pool.replicas.values();
    }
  }

  function hasRoom(model: string, hints: EligibilityHints, nowMs: number): boolean {
    for (const pool of state.models.get(model)?.pools ?? []) {
      if (isEligible(hints, pool) && pool.hasRoom(nowMs)) return true;
    }
    return false;
  }

  return {
    handle: (event, nowMs) => {
      state.nowMs = nowMs;
      state.commands = [];
      // A loop that is merely busy handles one event after the other while a tick is due.
      const stallMs = nowMs - Math.max(state.ownLag.dueMs, lastEventMs);
      lastEventMs = nowMs;
      if (stallMs > maxTimerDelayMs) {
        attempts.compensateStall(stallMs);
        for (const { overload } of state.pools) overload.paused(nowMs - stallMs, nowMs);
      }
      switch (event.type) {
        case "arrival":
          arrive(event.request);
          break;
        case "answered":
          attempts.answered(event);
          break;
        case "failed":
          attempts.failed(event.attemptId, event.failure);
          break;
        case "cancelled": {
          const request = state.requests.get(event.id);
          if (request) attempts.cancel(request);
          break;
        }
        case "probed":
          outliers.probed(event);
          break;
        case "pools":
          setPools(event.pools);
          break;
        case "sharing":
          state.gatewayCount = event.gatewayCount;
          for (const pool of state.pools) {
            for (const { slots } of pool.replicas.values()) slots.sharingChanged();
            pool.touch();
          }
          break;
        case "drain":
        case "readmit":
          outliers.change(event.replicaId, event.type);
          break;
        case "tick":
          // A timer of Node may be a millisecond early, and is needed again then.
          state.ownLag.tick(nowMs);
          attempts.checkTimeouts();
          outliers.probeDue();
          if (state.queueCount === 0) break;
          for (const pool of state.pools) if (pool.mayHaveQueue) pool.touch();
      }
      // Each of them once: serving one may touch others.
      for (let pool = state.firstTouched; pool; pool = pool.nextTouched) serve(pool);
      state.firstTouched = undefined;
      state.lastTouched = undefined;
      state.eventCount += 1;
      if (state.attempts.size > 0) state.wakeMs = Math.min(state.wakeMs, nowMs + timeoutCheckMs);
      // Only an earlier tick than the one that was asked for needs a new timer.
      if (state.wakeMs < state.ownLag.dueMs) {
        const atMs = Math.max(state.wakeMs, nowMs);
        state.ownLag.dueMs = atMs;
        state.commands.push({ type: "wake", atMs });
      }
      state.wakeMs = Number.POSITIVE_INFINITY;
      return state.commands;
    },
    hasRoom,
    shedEarly: (request, nowMs) => {
      const group = state.models.get(request.model);
      if (!group || hasRoom(request.model, request, nowMs)) return undefined;
      state.nowMs = nowMs;
      return admission.shedEarly(openRequest(request, group, nowMs));
    },
    status: (nowMs) => schedulerStatus(state.pools, { nowMs, retriesLeft: attempts.retries.left }),
    expectedVersion: (query) => commonVersion(replicasFor(query), query),
    versionsFor: (query) => listedVersions(replicasFor(query)),
    canServeAll: (isDevice) => {
      for (const pool of state.unserved) {
        if (hasServing(pool)) state.unserved.delete(pool);
        else if (!isHeldByOther(pool, isDevice)) return false;
      }
      return true;
    },
    expectedWaitMs: (model, nowMs) => {
      const own = state.models.get(model)?.pools.find(({ region }) => region === ownRegion);
      return own?.expectedWaitMs(forwarded, own.survey(nowMs)) ?? 0;
    },
  };
}

interface MergedPool {
  readonly model: string;
  readonly region: string;
  readonly members: readonly Member[];
}

/** Merges the pools that are configured for the same model and region. */
function merged(pools: readonly RoutedPool[]): readonly MergedPool[] {
  const grouped = Map.groupBy(pools, ({ model, region }) => JSON.stringify([model, region]));
  return [...grouped.values()].flatMap((group) => {
    const [first] = group;
    if (!first) return [];
    const members = group.flatMap(({ replicaIds, parallelism, isGateway }) =>
      replicaIds.map((id): Member => ({ id, parallelism, isGateway })),
    );
    const byId = new Map(members.map((each) => [each.id, each]));
    return [{ model: first.model, region: first.region, members: [...byId.values()] }];
  });
}
