import type { RoutingStep } from "@tensorgate/core";
import { afterFailure } from "./after-failure.ts";
import { attemptWatch } from "./attempt-watch.ts";
import { budget } from "./budget.ts";
import { type DispatcherStatus, dispatcherStatus } from "./dispatcher-status.ts";
import type {
  Arrival,
  AttemptFailure,
  DispatcherCommand,
  DispatcherEvent,
  PoolMembers,
  Refusal,
} from "./events.ts";
import { type Attempt, type OpenRequest, openRequest, type RequestPool } from "./open-request.ts";
import { mayGoTo, place } from "./place.ts";
import { pool as newPool, type PoolSettings } from "./pool.ts";
import { rankOf } from "./rank.ts";
import type { HealthChange, Replica } from "./replica.ts";
import { wakeTimes } from "./wake-times.ts";

export interface DispatcherSettings extends PoolSettings {
  readonly ownRegion: string;
  /** Between two regions before it is measured, in milliseconds. */
  roundTripMs(from: string, to: string): number;
  readonly maxAttempts: number;
  readonly maxFailures: number;
  /** Extra attempts after failures, as a share of all requests. */
  readonly retryShare: number;
  /** Extra attempts against slow replies, as a share of all requests. */
  readonly hedgeShare: number;
  readonly probeIntervalMs: number;
}

export interface Dispatcher {
  /**
   * Takes one event and says what is to be done about it, in order.
   *
   * @param nowMs - never less than in the event before
   */
  handle(event: DispatcherEvent, nowMs: number): readonly DispatcherCommand[];
  status(nowMs: number): DispatcherStatus;
  /** How long a new request of `model` would wait in the gateway's own region, in milliseconds. */
  expectedWaitMs(model: string, nowMs: number): number;
}

/** Extra attempts that are allowed whatever came before. */
const retryReserve = 3;
/** What other gateways are told is what their calls would wait. */
const forwardedRank = rankOf({ priority: "normal", isForwarded: true });
/** Replies in a row that are slow before a replica is taken out. */
const mostSlowInARow = 4;
/** Above this share of taken time nothing is sent twice. */
const hedgedBelow = 0.75;
/** How often a gateway is asked for its queue, in milliseconds. */
const gatewayProbeMs = 1_000;
/** A line that is too long gives up what waits longer than so many targets. */
const staleTargets = 10;

/**
 * Decides which request goes to which replica of which region, and when; what becomes of it when that fails; and which
 * replicas get none for a while.
 *
 * Pure: it is told what happens and when, and says what to do. The same runs behind sockets and in virtual time, and
 * what another gateway sends to the same replicas could be told to it as events of the same kind. A request is bound
 * to a replica only when a slot is ready, so that one that waits loses nothing when a replica dies; slots are few, so
 * that a slow request holds up at most the next one.
 */
export function dispatcher(settings: DispatcherSettings): Dispatcher {
  const { ownRegion } = settings;
  let pools: readonly RequestPool[] = [];
  let byModel = new Map<string, readonly RequestPool[]>();
  const requests = new Map<number, OpenRequest>();
  const attempts = new Map<number, Attempt>();
  /** Where the last request of each model went. */
  const usedRegions = new Map<string, string>();
  const retries = budget({ share: settings.retryShare, reserve: retryReserve });
  const hedges = budget({ share: settings.hedgeShare, reserve: 1 });
  const wakes = wakeTimes();
  const watch = attemptWatch();
  const touched = new Set<RequestPool>();
  let commands: DispatcherCommand[] = [];
  let attemptCount = 0;
  let nowMs = 0;

  // Requests

  function note(request: OpenRequest, step: RoutingStep["step"]): void {
    request.trace?.push({ atMs: nowMs - request.arrivedMs, step });
  }

  /** The caller has gone. */
  function cancel(request: OpenRequest): void {
    leaveLine(request);
    for (const attempt of request.underWay) abandon(attempt);
    const { id, trace } = request;
    if (trace) commands.push({ type: "leave", id, trace });
    requests.delete(id);
  }

  function abandon(attempt: Attempt): void {
    attempt.replica.slots.abandoned(attempt.id, nowMs);
    attempts.delete(attempt.id);
    touched.add(attempt.pool);
    commands.push({ type: "abandon", attemptId: attempt.id });
  }

  /** Of other attempts the reply is waited for all the same: it tells when the replica is free again. */
  function settle(request: OpenRequest, attemptId: number): void {
    leaveLine(request);
    for (const attempt of request.underWay) attempt.isLeftOver = true;
    const { id, trace } = request;
    commands.push({ type: "settle", id, attemptId, ...(trace && { trace }) });
    requests.delete(id);
  }

  function leaveLine(request: OpenRequest): void {
    request.waitsIn?.line.remove(request.id);
    request.waitsIn = undefined;
  }

  function refuse(request: OpenRequest, because: Refusal): void {
    leaveLine(request);
    // An answer may still come.
    if (request.underWay.length > 0) return;
    note(request, { what: "refused", because });
    const { id, lastFailed, trace } = request;
    commands.push({
      ...{ type: "refuse", id, because, retryAfterMs: retryAfterMs(request) },
      ...(lastFailed && { attemptId: lastFailed.attemptId }),
      ...(trace && { trace }),
    });
    requests.delete(id);
  }

  /** Until the first of its replicas is probed, or its line is half as long. */
  function retryAfterMs({ model, rank }: OpenRequest): number {
    const ofModel = byModel.get(model) ?? [];
    const outMs = ofModel
      .flatMap(({ replicas }) => [...replicas.values()])
      .flatMap(({ outUntilMs }) => (outUntilMs === undefined ? [] : [outUntilMs - nowMs]));
    const halfMs = ofModel.map((pool) => pool.expectedWaitMs(rank, nowMs) / 2);
    const soonestMs = Math.min(...outMs, ...halfMs, settings.maxEjectionMs);
    return Math.max(settings.initialEjectionMs, soonestMs);
  }

  /** Puts a request in the line of a region, or refuses it. */
  function enter(request: OpenRequest, isReturning: boolean): void {
    const ofModel = byModel.get(request.model) ?? [];
    const usedRegion = usedRegions.get(request.model) ?? ownRegion;
    const placed = place(request, ofModel, { usedRegion, nowMs });
    note(request, { what: "regions", considered: placed.considered });
    if ("refusal" in placed) {
      if (placed.refusal === "overloaded") {
        const allowed = ofModel.filter((pool) => mayGoTo(request, pool));
        if (takePlaceOfAnother(request, allowed)) return;
        // What a region refuses another one is no need of its own callers.
        if (!request.isForwarded) for (const pool of allowed) pool.shed(nowMs);
      }
      refuse(request, placed.refusal);
      return;
    }
    joinLine(request, placed.pool, isReturning);
  }

  function joinLine(request: OpenRequest, pool: RequestPool, isReturning: boolean): void {
    usedRegions.set(request.model, pool.region);
    request.sinceMs = nowMs;
    request.waitsIn = pool;
    pool.line.add(request, isReturning);
    touched.add(pool);
    const { region, line } = pool;
    note(request, { what: "waits", region, position: line.aheadOf(request.rank) });
  }

  /** What matters less gives way where too much is waiting. */
  function takePlaceOfAnother(request: OpenRequest, allowed: readonly RequestPool[]): boolean {
    for (const pool of allowed.filter((each) => canServe(each, request))) {
      const lowest = pool.line.lowestBelow(request.rank);
      if (!lowest) continue;
      refuse(lowest, "overloaded");
      joinLine(request, pool, false);
      return true;
    }
    return false;
  }

  // Replicas

  function change(pool: RequestPool, replica: Replica, to: HealthChange, because: string): void {
    const wasServing = replica.isServing;
    const changed = replica.change(to, nowMs);
    replica.nextProbeMs = nextProbeMs(replica);
    if (!replica.isProbed) wakes.want(replica.nextProbeMs);
    touched.add(pool);
    if (changed) {
      const { model, region } = pool;
      const place = { model, region, replicaId: replica.member.id };
      commands.push({ type: "note", change: { ...place, ...changed, because } });
    }
    if (wasServing && !replica.isServing) leaveIfOut(pool);
    else if (!replica.isServing && !replica.isSuspect) leaveIfOut(pool);
  }

  function nextProbeMs(replica: Replica): number {
    switch (replica.state(nowMs)) {
      case "suspect":
        return nowMs;
      case "ejected":
        return replica.outUntilMs ?? nowMs;
      case "warming":
        return nowMs + settings.initialEjectionMs;
      case "draining":
        return Number.POSITIVE_INFINITY;
      default:
        return nowMs + probeIntervalMs(replica);
    }
  }

  /** What a gateway said of its queue is soon old. */
  function probeIntervalMs({ member }: Replica): number {
    const { probeIntervalMs: usualMs } = settings;
    return member.isGateway ? Math.min(usualMs, gatewayProbeMs) : usualMs;
  }

  /** Whoever waits for a pool where nobody may serve them any more waits elsewhere, or is told. */
  function leaveIfOut(pool: RequestPool): void {
    waitElsewhere(pool, (request) => !canServe(pool, request));
  }

  function waitElsewhere(pool: RequestPool, mustLeave: (request: OpenRequest) => boolean): void {
    const { leaving = [], staying = [] } = Object.groupBy(pool.line.clear(), (request) =>
      mustLeave(request) ? "leaving" : "staying",
    );
    for (const request of staying) pool.line.add(request);
    for (const request of leaving) {
      request.waitsIn = undefined;
      enter(request, false);
    }
  }

  /** The last one is never given up for being slow or for failing: there is nothing better. */
  function hasAlternative(model: string, replica: Replica): boolean {
    return (byModel.get(model) ?? []).some(({ replicas }) =>
      [...replicas.values()].some((each) => each.isServing && each !== replica),
    );
  }

  function suspect(pool: RequestPool, replica: Replica, because: string): void {
    if (!replica.isServing) return;
    if (replica.failed() >= settings.maxFailures && hasAlternative(pool.model, replica)) {
      change(pool, replica, "eject", because);
    } else {
      change(pool, replica, "suspect", because);
      probe(pool, replica);
    }
  }

  function probe({ model }: RequestPool, replica: Replica): void {
    if (replica.isProbed) return;
    replica.isProbed = true;
    replica.repliesAtProbe = replica.replyCount;
    replica.nextProbeMs = Number.POSITIVE_INFINITY;
    commands.push({ type: "probe", model, replicaId: replica.member.id });
  }

  // Attempts

  function send(request: OpenRequest, pool: RequestPool, replica: Replica): void {
    attemptCount += 1;
    const isHedge = request.underWay.length > 0;
    const attempt: Attempt = {
      ...{ id: attemptCount, request, pool, replica, sentMs: nowMs },
      ...{ isOverdue: false, isLeftOver: false },
      expectedStartMs: replica.slots.send(attemptCount, nowMs),
      repliesThen: replica.replyCount,
    };
    attempts.set(attempt.id, attempt);
    request.underWay.push(attempt);
    wakes.want(watch.dueMs(attempt).hedgeMs);
    pool.overload.sent(nowMs);
    const { model, region } = pool;
    const replicaId = replica.member.id;
    note(request, { what: "sent", region, replicaId, isHedge });
    const waitedMs = isHedge ? 0 : nowMs - request.sinceMs;
    const { id } = request;
    commands.push({
      ...{ type: "send", id, attemptId: attempt.id, model, region, replicaId, waitedMs },
    });
  }

  function take(attemptId: number): Attempt | undefined {
    const attempt = attempts.get(attemptId);
    if (!attempt) return undefined;
    attempts.delete(attemptId);
    const { underWay } = attempt.request;
    underWay.splice(underWay.indexOf(attempt), 1);
    touched.add(attempt.pool);
    return attempt;
  }

  function answered(attemptId: number, expectedWaitMs: number | undefined): void {
    const attempt = take(attemptId);
    if (!attempt) return;
    const { request, pool, replica } = attempt;
    const tookMs = replica.slots.answered(attemptId, nowMs) ?? 0;
    const attemptMs = nowMs - attempt.sentMs;
    replica.answered(pool.observe(replica, tookMs, attemptMs), attemptMs);
    if (expectedWaitMs !== undefined)
      replica.expectedWait = { waitMs: expectedWaitMs, toldMs: nowMs };
    if (replica.isSuspect) change(pool, replica, { probe: "ready" }, "answered after all");
    if (replica.slowInARow >= mostSlowInARow && replica.isServing) {
      if (hasAlternative(pool.model, replica)) change(pool, replica, "eject", "slow");
    }
    if (attempt.isLeftOver) return;
    note(request, { what: "answered", region: pool.region, replicaId: replica.member.id });
    settle(request, attemptId);
  }

  function failed(attemptId: number, failure: AttemptFailure): void {
    const attempt = take(attemptId);
    if (!attempt) return;
    const { request, pool, replica } = attempt;
    replica.slots.failed(attemptId);
    judge(attempt, failure);
    if (attempt.isLeftOver) return;
    const replicaId = replica.member.id;
    note(request, { what: "failed", region: pool.region, replicaId, because: failure });
    request.lastFailed = { attemptId, failure };
    if (!isUnseen(failure)) request.tried.add(replicaId);
    if (!isUnseen(failure) && failure !== "warming") {
      request.failedCount += 1;
      request.failures.set(pool.region, (request.failures.get(pool.region) ?? 0) + 1);
    }
    if (failure === "failed") request.answeredFailures += 1;
    // Only a replica that was alive can have been killed.
    if (failure === "lost" && replica.replyCount > attempt.repliesThen) request.killCount += 1;
    if (request.underWay.length > 0 || request.waitsIn) return;
    const next = afterFailure(failure, request, settings.maxAttempts);
    if (next === "quarantine") refuse(request, "kills-replicas");
    else if (next === "give-up") {
      refuse(request, failure === "full" ? "overloaded" : "attempt-failed");
    } else if (next === "again" || retries.spend()) enter(request, true);
    else refuse(request, "attempt-failed");
  }

  /** What a failure says of the replica. */
  function judge({ pool, replica, sentMs }: Attempt, failure: AttemptFailure): void {
    switch (failure) {
      case "never-sent":
      case "lost":
        suspect(pool, replica, failure === "lost" ? "connection lost" : "cannot be reached");
        break;
      case "turned-away":
        // Once is a connection that was old; again and again is a replica that takes nobody.
        if (replica.failed() >= settings.maxFailures) suspect(pool, replica, "turns callers away");
        break;
      case "warming":
        if (replica.isServing) change(pool, replica, "warming", "its model is being loaded");
        break;
      case "full":
        replica.slots.tooMany({ sentMs, nowMs });
        if (replica.member.isGateway) {
          replica.expectedWait = { waitMs: Number.POSITIVE_INFINITY, toldMs: nowMs };
          waitElsewhere(pool, () => true);
        }
        break;
      case "failed":
        if (replica.failed() >= settings.maxFailures && replica.isServing) {
          if (hasAlternative(pool.model, replica))
            change(pool, replica, "eject", "failed in a row");
        }
    }
  }

  /** An attempt takes too long: its replica may be gone, and somebody else may be quicker. */
  function overdue(attempt: Attempt): void {
    const { request, pool, replica } = attempt;
    attempt.isOverdue = true;
    if (attempt.isLeftOver) abandon(attempt);
    if (hasAlternative(pool.model, replica)) suspect(pool, replica, "no answer in time");
    else probe(pool, replica);
    if (attempt.isLeftOver) return;
    request.tried.add(replica.member.id);
    const mayGoOn = request.isRepeatable && !request.waitsIn && request.underWay.length === 1;
    if (mayGoOn && hasAlternative(pool.model, replica) && retries.spend()) enter(request, true);
  }

  function hedge({ request, pool, replica }: Attempt): void {
    if (pool.line.length > 0 || pool.utilisation > hedgedBelow) return;
    const idle = pool.soonest(
      nowMs,
      (each) => each !== replica && each.slots.inFlight === 0 && !request.tried.has(each.member.id),
    );
    if (idle && idle.atMs <= nowMs && hedges.spend()) send(request, pool, idle.replica);
  }

  // Time

  function look(): void {
    for (const attempt of attempts.values()) {
      const dueMs = watch.dueMs(attempt);
      if (dueMs.overdueMs <= nowMs) overdue(attempt);
      else if (attempt.isLeftOver && (attempt.isOverdue || attempt.request.deadlineMs <= nowMs))
        abandon(attempt);
      else if (dueMs.hedgeMs <= nowMs) hedge(attempt);
      else wakes.want(dueMs.hedgeMs);
    }
    for (const pool of pools) {
      for (const replica of pool.replicas.values()) {
        if (replica.nextProbeMs <= nowMs) probe(pool, replica);
        if (!replica.isProbed) wakes.want(replica.nextProbeMs);
      }
      if (pool.line.length > 0) touched.add(pool);
    }
  }

  function serve(pool: RequestPool): void {
    const skipped = new Set<Replica>();
    giveUpStale(pool);
    while (pool.line.length > 0) {
      const slot = pool.soonest(nowMs, (each) => !skipped.has(each));
      if (!slot) break;
      if (slot.atMs > nowMs) {
        wakes.want(slot.atMs);
        break;
      }
      const { replica } = slot;
      const replicaId = replica.member.id;
      const request = pool.line.first(pool.isShedding(nowMs), ({ tried }) => !tried.has(replicaId));
      if (!request) {
        skipped.add(replica);
        continue;
      }
      const leastMs = replica.slots.roundTripMs + replica.slots.usualMs;
      if (nowMs + leastMs > request.deadlineMs) refuse(request, "deadline");
      else {
        leaveLine(request);
        send(request, pool, replica);
      }
    }
    pool.overload.observe(oldestMs(pool), pool.targetMs(), nowMs);
  }

  function oldestMs({ line }: RequestPool): number {
    const oldest = line.oldest();
    return oldest ? nowMs - oldest.sinceMs : 0;
  }

  /** Where the newest come first, the oldest would wait for ever. */
  function giveUpStale(pool: RequestPool): void {
    if (!pool.isShedding(nowMs)) return;
    const staleMs = staleTargets * pool.targetMs();
    for (let each = pool.line.oldest(); each; each = pool.line.oldest()) {
      if (nowMs - each.sinceMs <= staleMs) return;
      refuse(each, "overloaded");
    }
  }

  // Events

  function arrive(arrival: Arrival): void {
    const request = openRequest(arrival, nowMs);
    requests.set(request.id, request);
    retries.earn();
    hedges.earn();
    for (const pool of byModel.get(request.model) ?? []) {
      if (pool.region === ownRegion) pool.overload.offered(nowMs);
      pool.observeArrival();
    }
    enter(request, false);
  }

  function probed(event: Extract<DispatcherEvent, { type: "probed" }>): void {
    const pool = byModel.get(event.model)?.find(({ replicas }) => replicas.has(event.replicaId));
    const replica = pool?.replicas.get(event.replicaId);
    if (!pool || !replica) return;
    const { finding, roundTripMs, expectedWaitMs } = event;
    replica.isProbed = false;
    if (roundTripMs !== undefined) replica.slots.observeRoundTrip(roundTripMs);
    if (expectedWaitMs !== undefined)
      replica.expectedWait = { waitMs: expectedWaitMs, toldMs: nowMs };
    // Answers that came meanwhile say more than a question that got none.
    const isRefuted = finding === "lost" && replica.replyCount > replica.repliesAtProbe;
    if (isRefuted) change(pool, replica, { probe: "ready" }, "answered");
    else if (finding === "lost" && replica.isServing)
      suspect(pool, replica, "no answer to a probe");
    else change(pool, replica, { probe: finding }, `probe: ${finding}`);
  }

  function setPools(members: readonly PoolMembers[]): void {
    const before = pools;
    pools = merged(members).map(({ model, region, members: ofPool }) => {
      const known = before.find((each) => each.model === model && each.region === region);
      const roundTripMs = settings.roundTripMs(ownRegion, region);
      const isRemote = region !== ownRegion;
      const made =
        known ?? newPool<OpenRequest>({ model, region, isRemote, roundTripMs }, settings);
      for (const replica of made.setMembers(ofPool).added) {
        probe(made, replica);
      }
      return made;
    });
    byModel = Map.groupBy(pools, ({ model }) => model);
    for (const pool of pools) leaveIfOut(pool);
    for (const gone of before.filter((each) => !pools.includes(each))) {
      gone.setMembers([]);
      leaveIfOut(gone);
    }
  }

  function eachPlaceOf(
    replicaId: string,
    act: (pool: RequestPool, replica: Replica) => void,
  ): void {
    for (const pool of pools) {
      const replica = pool.replicas.get(replicaId);
      if (replica) act(pool, replica);
    }
  }

  function carryOut(event: DispatcherEvent): void {
    switch (event.type) {
      case "arrival":
        arrive(event.request);
        break;
      case "answered":
        answered(event.attemptId, event.expectedWaitMs);
        break;
      case "failed":
        failed(event.attemptId, event.failure);
        break;
      case "cancelled": {
        const request = requests.get(event.id);
        if (request) cancel(request);
        break;
      }
      case "probed":
        probed(event);
        break;
      case "pools":
        setPools(event.pools);
        break;
      case "drain":
        eachPlaceOf(event.replicaId, (pool, replica) => change(pool, replica, "drain", "asked to"));
        break;
      case "readmit":
        eachPlaceOf(event.replicaId, (pool, replica) => {
          if (replica.state(nowMs) !== "draining") return;
          change(pool, replica, "readmit", "asked to");
          probe(pool, replica);
        });
        break;
      case "tick":
        look();
    }
  }

  return {
    handle: (event, atMs) => {
      nowMs = atMs;
      commands = [];
      // What came late came late to us: nobody else is to blame.
      const lateMs = wakes.latenessMs(nowMs);
      if (lateMs > 0) watch.forgive(attempts.values(), lateMs);
      if (event.type === "tick") wakes.fired();
      carryOut(event);
      for (const pool of touched) serve(pool);
      touched.clear();
      if (attempts.size > 0) wakes.want(nowMs + watch.intervalMs);
      const wakeMs = wakes.next(nowMs);
      if (wakeMs !== undefined) commands.push({ type: "wake", atMs: wakeMs });
      return commands;
    },
    status: (atMs) => dispatcherStatus(pools, { nowMs: atMs, retriesLeft: retries.left }),
    expectedWaitMs: (model, atMs) => {
      const own = byModel.get(model)?.find(({ region }) => region === ownRegion);
      return own?.expectedWaitMs(forwardedRank, atMs) ?? 0;
    },
  };
}

/** Whether some replica there may get the request. */
function canServe({ replicas }: RequestPool, { tried }: OpenRequest): boolean {
  return [...replicas.values()].some(({ isServing, member }) => isServing && !tried.has(member.id));
}

/** Whether the replica cannot have seen the request, so that it may go there again. */
function isUnseen(failure: AttemptFailure): boolean {
  return failure === "never-sent" || failure === "turned-away";
}

/** What is configured twice for the same model and region is one pool. */
function merged(members: readonly PoolMembers[]): readonly PoolMembers[] {
  const grouped = Map.groupBy(members, ({ model, region }) => JSON.stringify([model, region]));
  return [...grouped.values()].flatMap((group) => {
    const [first] = group;
    if (!first) return [];
    const all = new Map(group.flatMap((each) => each.members).map((each) => [each.id, each]));
    return [{ ...first, members: [...all.values()] }];
  });
}
