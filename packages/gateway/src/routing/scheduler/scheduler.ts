import { createAttempts, timeoutCheckMs } from "./attempts.ts";
import type {
  Arrival,
  RoutedPool,
  SchedulerCommand,
  SchedulerEvent,
  VersionChoice,
} from "./events.ts";
import { createPool } from "./pool.ts";
import { createAdmission } from "./queues/admission.ts";
import { rankOf } from "./queues/request-queue.ts";
import { mayGoTo, type SurveyedPool } from "./regions/region-selection.ts";
import { createOutlierDetection } from "./replicas/outlier-detection.ts";
import {
  commonVersion,
  isCandidate,
  isInTime,
  listedVersions,
  type Member,
  type ScheduledReplica,
} from "./replicas/replica.ts";
import {
  createState,
  type OpenRequest,
  type Pool,
  type PoolGroup,
  probe,
  type SchedulerSettings,
} from "./state.ts";
import { type SchedulerStatus, schedulerStatus } from "./status.ts";

export type { SchedulerSettings };

export interface Scheduler {
  /**
   * Takes one event and says what is to be done about it, in order.
   *
   * @param nowMs - never less than in the event before
   */
  handle(event: SchedulerEvent, nowMs: number): readonly SchedulerCommand[];
  status(nowMs: number): SchedulerStatus;
  /**
   * The version that a request would be answered by now; undefined where that is not known, or differs between the
   * replicas that it may come to.
   */
  expectedVersion(query: VersionQuery): bigint | undefined;
  /** Versions that replicas list where a request may be served, highest first. */
  versionsFor(query: VersionQuery): readonly bigint[];
  /** How long a request of another gateway would wait for `model` in this gateway's region, in milliseconds. */
  expectedWaitMs(model: string, nowMs: number): number;
}

/** A request as far as it decides which versions it may get. */
export interface VersionQuery extends VersionChoice {
  readonly model: string;
  readonly residency: readonly string[] | undefined;
  readonly isForwarded: boolean | undefined;
}

const forwarded = rankOf({ priority: "normal", isForwarded: true });
/** Timers are late by some milliseconds on any machine that has something to do. */
const usualLatenessMs = 15;

/**
 * Decides which request goes to which replica of which region, and when; what becomes of it when that fails; and which
 * replicas get none for a while.
 *
 * Pure: events say what happens and when, commands say what to do about it. The same runs behind sockets and in virtual
 * time, and what another gateway sends to the same replicas could become events of the same kind. A request is bound to
 * a replica only when a slot is ready, so that one that waits loses nothing when a replica dies; slots are few, so that
 * a slow request holds up at most the next one.
 */
export function createScheduler(settings: SchedulerSettings): Scheduler {
  const { ownRegion } = settings;
  const state = createState();
  const admission = createAdmission(state, settings);
  const outliers = createOutlierDetection(state, settings, admission);
  const attempts = createAttempts({ state, settings, admission, outliers });
  /** For when the last tick was asked for: only an earlier time asks for a new timer. */
  let askedMs = Number.POSITIVE_INFINITY;

  function addGroup(model: string): PoolGroup {
    const group = { model, pools: [], usedRegion: ownRegion };
    state.models.set(model, group);
    return group;
  }

  function arrive(arrival: Arrival): void {
    const { nowMs } = state;
    const group = state.models.get(arrival.model) ?? addGroup(arrival.model);
    const request: OpenRequest = {
      ...arrival,
      // To send it to a second replica is to do it twice.
      mayHedge: arrival.mayHedge && arrival.isIdempotent,
      group,
      rank: rankOf(arrival),
      arrivedMs: nowMs,
      sinceMs: nowMs,
      waitsIn: undefined,
      underWay: [],
      tried: new Set(),
      failures: new Map(),
      failedCount: 0,
      failedBy: [],
      killCount: 0,
      lastFailed: undefined,
      trace: arrival.isTraced ? [] : undefined,
    };
    state.requests.set(request.id, request);
    attempts.retries.earn();
    attempts.hedges.earn();
    const pools: SurveyedPool[] = [];
    for (const pool of group.pools) {
      const survey = pool.survey(nowMs, request);
      pool.observeArrival(survey);
      pools.push({ pool, survey });
    }
    admission.enter(request, false, pools);
  }

  /** Gives slots of `pool` that are ready to the requests that wait. */
  function serve(pool: Pool): void {
    const { line } = pool;
    const { nowMs } = state;
    const isShedding = pool.isShedding(nowMs);
    if (isShedding && line.length > 0) admission.giveUpStale(pool);
    const skipped = new Set<ScheduledReplica>();
    while (line.length > 0) {
      const slot = pool.soonest(nowMs, skipped);
      if (!slot) break;
      if (slot.atMs > nowMs) {
        state.wakeMs = Math.min(state.wakeMs, slot.atMs);
        break;
      }
      const { replica } = slot;
      const request = line.first(isShedding, (each) => isCandidate(each, replica));
      if (!request) skipped.add(replica);
      // What could not be answered in time is not sent: a device would work for no caller.
      else if (!isInTime(request, replica, nowMs)) admission.refuse(request, "deadline");
      else {
        admission.leave(request);
        attempts.send(request, pool, replica);
      }
    }
    const oldest = line.length > 0 ? line.oldest() : undefined;
    const waitedMs = nowMs - (oldest?.sinceMs ?? nowMs);
    // The target is never less than that, and takes a pass over the replicas.
    const isShort = waitedMs < settings.codelTargetMs;
    pool.overload.observe(!isShort && waitedMs >= pool.targetMs(pool.survey(nowMs)), nowMs);
  }

  function setPools(pools: readonly RoutedPool[]): void {
    const before = state.pools;
    state.isPaced = settings.pacing ?? !pools.some(({ isGateway }) => isGateway);
    state.pools = merged(pools).map(({ model, region, members }) => {
      const group = state.models.get(model) ?? addGroup(model);
      const known = group.pools.find((each) => each.region === region);
      const pool = known ?? createPool(region, { group, settings, state });
      for (const replica of pool.setMembers(members)) probe(state, pool, replica);
      return pool;
    });
    const byGroup = Map.groupBy(state.pools, ({ group }) => group);
    for (const group of state.models.values()) group.pools = byGroup.get(group) ?? [];
    const gone = before.filter((each) => !state.pools.includes(each));
    for (const pool of gone) pool.setMembers([]);
    for (const pool of [...state.pools, ...gone]) {
      state.touched.add(pool);
      admission.leaveIfStuck(pool);
    }
    for (const group of new Set([...state.searching].map((each) => each.group))) {
      admission.searchOn(group);
    }
  }

  /** Replicas that a request may come to, those too that are out. */
  function* replicasFor({ model, ...query }: VersionQuery): Iterable<ScheduledReplica> {
    for (const pool of state.models.get(model)?.pools ?? []) {
      if (mayGoTo(query, pool)) yield* pool.replicas.values();
    }
  }

  return {
    handle: (event, nowMs) => {
      const { touched } = state;
      state.nowMs = nowMs;
      state.commands = [];
      const lateMs = nowMs - askedMs;
      if (lateMs > usualLatenessMs) {
        attempts.forgive(lateMs);
        for (const { overload } of state.pools) overload.paused(askedMs, nowMs);
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
        case "drain":
        case "readmit":
          outliers.change(event.replicaId, event.type);
          break;
        case "tick":
          // Also where a timer was early, as those of Node may be by a millisecond.
          askedMs = Number.POSITIVE_INFINITY;
          attempts.checkTimeouts();
          outliers.probeDue();
          for (const pool of state.pools) if (pool.line.length > 0) touched.add(pool);
      }
      for (const pool of touched) serve(pool);
      touched.clear();
      if (state.attempts.size > 0) state.wakeMs = Math.min(state.wakeMs, nowMs + timeoutCheckMs);
      if (askedMs <= nowMs) askedMs = Number.POSITIVE_INFINITY;
      if (state.wakeMs < askedMs) {
        askedMs = Math.max(state.wakeMs, nowMs);
        state.commands.push({ type: "wake", atMs: askedMs });
      }
      state.wakeMs = Number.POSITIVE_INFINITY;
      return state.commands;
    },
    status: (nowMs) => schedulerStatus(state.pools, { nowMs, retriesLeft: attempts.retries.left }),
    expectedVersion: (query) => commonVersion(replicasFor(query), query),
    versionsFor: (query) => listedVersions(replicasFor(query)),
    expectedWaitMs: (model, nowMs) => {
      const pools = state.models.get(model)?.pools ?? [];
      const own = pools.find(({ region }) => region === ownRegion);
      return own?.expectedWaitMs(forwarded, own.survey(nowMs)) ?? 0;
    },
  };
}

interface MergedPool {
  readonly model: string;
  readonly region: string;
  readonly members: readonly Member[];
}

/** Makes one pool of what is configured twice for the same model and region. */
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
