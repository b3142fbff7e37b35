import { attempts as newAttempts } from "./attempts.ts";
import type { Arrival, PoolMembers, SchedulerCommand, SchedulerEvent } from "./events.ts";
import {
  isCandidate,
  isInTime,
  type OpenRequest,
  openRequest,
  type RequestPool,
} from "./open-request.ts";
import { pool as newPool } from "./pool.ts";
import { lines as newLines } from "./queues/admission.ts";
import { rankOf } from "./queues/rank.ts";
import { mayGoTo } from "./regions/region-selection.ts";
import { replicaCare } from "./replicas/outlier-detection.ts";
import type { Replica } from "./replicas/replica.ts";
import { commonVersion, listedVersions, mayHave, type VersionChoice } from "./replicas/versions.ts";
import { createState, merged, poolsOf, probe, type SchedulerSettings } from "./state.ts";
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

/**
 * Decides which request goes to which replica of which region, and when; what becomes of it when that fails; and which
 * replicas get none for a while.
 *
 * Pure: it is told what happens and when, and says what to do. The same runs behind sockets and in virtual time, and
 * what another gateway sends to the same replicas could be told to it as events of the same kind. A request is bound
 * to a replica only when a slot is ready, so that one that waits loses nothing when a replica dies; slots are few, so
 * that a slow request holds up at most the next one.
 */
export function createScheduler(settings: SchedulerSettings): Scheduler {
  const { ownRegion } = settings;
  const state = createState();
  const poolSettings = { ...settings, isPaced: () => state.isPaced };
  const lines = newLines(state, settings);
  const care = replicaCare(state, settings, lines);
  const attempts = newAttempts({ state, settings, lines, care });

  function arrive(arrival: Arrival): void {
    const request = openRequest(arrival, state.nowMs);
    state.requests.set(request.id, request);
    attempts.earn();
    for (const pool of poolsOf(state, request.model)) {
      if (pool.region === ownRegion) pool.overload.offered(state.nowMs);
      pool.observeArrival(state.nowMs);
    }
    lines.enter(request, false);
  }

  /** Gives slots of `pool` that are ready to those who wait. */
  function serve(pool: RequestPool): void {
    const skipped = new Set<Replica>();
    lines.giveUpStale(pool);
    while (pool.line.length > 0) {
      const slot = pool.soonest(state.nowMs, (each) => !skipped.has(each));
      if (!slot) break;
      if (slot.atMs > state.nowMs) {
        state.wakes.want(slot.atMs);
        break;
      }
      const { replica } = slot;
      const isFit = (each: OpenRequest) => isCandidate(each, replica);
      const request = pool.line.first(pool.isShedding(state.nowMs), isFit);
      if (request) bind(request, pool, replica);
      else skipped.add(replica);
    }
    const oldest = pool.line.oldest();
    const oldestMs = oldest ? state.nowMs - oldest.sinceMs : 0;
    pool.overload.observe(oldestMs, pool.targetMs(), state.nowMs);
  }

  /** What could not be answered in time is not sent: a device would work for nobody. */
  function bind(request: OpenRequest, pool: RequestPool, replica: Replica): void {
    if (!isInTime(request, replica, state.nowMs)) {
      lines.refuse(request, "deadline");
      return;
    }
    lines.leave(request);
    attempts.send(request, pool, replica);
  }

  function setPools(members: readonly PoolMembers[]): void {
    const before = state.pools;
    const hasPeer = members.some(
      ({ isPeer, members: all }) => isPeer || all.some(({ isGateway }) => isGateway),
    );
    state.isPaced = settings.pacing ?? !hasPeer;
    state.pools = merged(members).map(({ model, region, members: ofPool }) => {
      const known = before.find((each) => each.model === model && each.region === region);
      const pool = known ?? madePool(model, region);
      for (const replica of pool.setMembers(ofPool)) probe(state, pool, replica);
      return pool;
    });
    state.byModel = Map.groupBy(state.pools, ({ model }) => model);
    const gone = before.filter((each) => !state.pools.includes(each));
    for (const pool of gone) pool.setMembers([]);
    for (const pool of [...state.pools, ...gone]) {
      state.touched.add(pool);
      lines.leaveIfStuck(pool);
    }
    for (const model of new Set([...state.searching].map((each) => each.model))) {
      lines.searchOn(model);
    }
  }

  function madePool(model: string, region: string): RequestPool {
    const roundTripMs = settings.roundTripMs(ownRegion, region);
    return newPool({ model, region, isRemote: region !== ownRegion, roundTripMs }, poolSettings);
  }

  function look(): void {
    attempts.look();
    care.lookAfter();
    for (const pool of state.pools) if (pool.line.length > 0) state.touched.add(pool);
  }

  const replicasFor = ({ model, residency, isForwarded = false }: VersionQuery) =>
    poolsOf(state, model)
      .filter((pool) => mayGoTo({ residency, isForwarded }, pool))
      .flatMap(({ replicas }) => [...replicas.values()]);

  function carryOut(event: SchedulerEvent): void {
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
        care.probed(event);
        break;
      case "pools":
        setPools(event.pools);
        break;
      case "drain":
      case "readmit":
        care.change(event.replicaId, event.type);
        break;
      case "tick":
        state.wakes.fired();
        look();
    }
  }

  return {
    handle: (event, nowMs) => {
      const { wakes, touched } = state;
      state.nowMs = nowMs;
      state.commands = [];
      // What came late came late to us: nobody else is to blame.
      const lateMs = wakes.latenessMs(nowMs);
      if (lateMs > 0) attempts.forgive(lateMs);
      carryOut(event);
      for (const pool of touched) serve(pool);
      touched.clear();
      if (state.attempts.size > 0) wakes.want(nowMs + attempts.intervalMs);
      const wakeMs = wakes.next(nowMs);
      if (wakeMs !== undefined) state.commands.push({ type: "wake", atMs: wakeMs });
      return state.commands;
    },
    status: (nowMs) => schedulerStatus(state.pools, { nowMs, retriesLeft: attempts.retries.left }),
    expectedVersion: (query) => {
      const serving = replicasFor(query).filter(({ isServing }) => isServing);
      const versions = serving.map((each) => each.versions);
      return commonVersion(
        versions.filter((each) => mayHave(each, query)),
        query,
      );
    },
    versionsFor: (query) => listedVersions(replicasFor(query).map(({ versions }) => versions)),
    expectedWaitMs: (model, nowMs) => {
      const own = poolsOf(state, model).find(({ region }) => region === ownRegion);
      return own?.expectedWaitMs(forwarded, nowMs) ?? 0;
    },
  };
}
