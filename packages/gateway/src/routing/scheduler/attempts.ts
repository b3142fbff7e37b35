import type { AttemptFailure, SchedulerEvent } from "./events.ts";
import type { Admission } from "./queues/admission.ts";
import type { OutlierDetection } from "./replicas/outlier-detection.ts";
import { isCandidate, isInTime, type ScheduledReplica } from "./replicas/replica.ts";
import { afterFailure, isUnprocessed, isUnserved } from "./retries.ts";
import {
  addStep,
  type OpenRequest,
  type Pool,
  type SchedulerSettings,
  type SchedulerState,
  type SentAttempt,
} from "./state.ts";

/** Sends attempts, and follows them to their end. */
export interface Attempts {
  send(request: OpenRequest, pool: Pool, replica: ScheduledReplica): void;
  answered(event: Extract<SchedulerEvent, { type: "answered" }>): void;
  failed(attemptId: number, failure: AttemptFailure): void;
  /** Ends a request whose caller has left. */
  cancel(request: OpenRequest): void;
  /** Probes, retries, hedges and abandons attempts whose time has come. */
  checkTimeouts(): void;
  /** Shifts timestamps by an event-loop stall, which makes no replica slower. */
  compensateStall(stallMs: number): void;
  readonly retries: Budget;
  readonly hedges: Budget;
}

export interface AttemptsDeps {
  readonly state: SchedulerState;
  readonly settings: SchedulerSettings;
  readonly admission: Admission;
  readonly outliers: OutlierDetection;
}

/** Interval of timeout checks while attempts are in flight, in milliseconds. */
export const timeoutCheckMs = 10;
/** Extra attempts that each budget begins with: enough for a replica that hangs with all slots taken, and another fault. */
const reserve = { retries: 10, hedges: 1 } as const;
const none: readonly SentAttempt[] = [];
/** Utilisation above which no request is hedged. */
const maxHedgedUtilisation = 0.75;
/** Service times between the expected start of an attempt and its hedge. */
const hedgeServices = 2;

export function createAttempts({ state, settings, admission, outliers }: AttemptsDeps): Attempts {
  const retries = createBudget({ share: settings.retryShare, reserve: reserve.retries });
  const hedges = createBudget({ share: settings.hedgeShare, reserve: reserve.hedges });
  let count = 0;

  function send(request: OpenRequest, pool: Pool, replica: ScheduledReplica): void {
    count += 1;
    const isHedge = request.inFlight.length > 0;
    const slot = replica.slots.send(state.nowMs, request.detourMs);
    const attempt: SentAttempt = {
      id: count,
      request,
      pool,
      replica,
      slot,
      sentMs: state.nowMs,
      expectedStartMs: slot.startMs,
      repliesThen: replica.counts.answered,
      isOverdue: false,
      isOrphaned: false,
    };
    state.attempts.set(attempt.id, attempt);
    request.inFlight = isHedge ? [...request.inFlight, attempt] : [attempt];
    if (request.mayHedge) state.wakeMs = Math.min(state.wakeMs, hedgeMs(attempt));
    pool.overload.count("sent", state.nowMs);
    const { model, region } = pool;
    const replicaId = replica.member.id;
    if (request.trace) addStep(state, request, { what: "sent", region, replicaId, isHedge });
    const waitedMs = isHedge ? 0 : state.nowMs - request.sinceMs;
    const { id } = request;
    state.commands.push({
      type: "send",
      id,
      attemptId: count,
      model,
      region,
      replicaId,
      waitedMs,
    });
  }

  function take(attemptId: number): SentAttempt | undefined {
    const attempt = state.attempts.get(attemptId);
    if (!attempt) return undefined;
    state.attempts.delete(attemptId);
    const { request } = attempt;
    const isAlone = request.inFlight.length === 1;
    request.inFlight = isAlone ? none : request.inFlight.filter((each) => each !== attempt);
    attempt.pool.touch();
    return attempt;
  }

  function abandon(attempt: SentAttempt): void {
    const freeMs = attempt.replica.slots.abandoned(attempt.slot, state.nowMs);
    state.wakeMs = Math.min(state.wakeMs, freeMs);
    state.abandoned.add(attempt.replica);
    state.attempts.delete(attempt.id);
    attempt.pool.touch();
    state.commands.push({ type: "abandon", attemptId: attempt.id });
  }

  /** Records a failure of a request, which decides where it may go next. */
  function recordFailure(attempt: SentAttempt, failure: AttemptFailure): void {
    const { id, request, pool, replica, repliesThen } = attempt;
    request.lastFailed = { attemptId: id, failure };
    if (isUnprocessed(failure)) return;
    exclude(request, replica);
    if (failure === "warming") return;
    request.failedCount += 1;
    if (isUnserved(failure)) return;
    const { failures } = request;
    request.failures = new Map([...failures, [pool.region, (failures.get(pool.region) ?? 0) + 1]]);
    if (failure === "failed") request.failedBy = [...request.failedBy, replica];
    // Only a replica that served requests meanwhile can be lost over this one.
    if (failure === "lost" && replica.counts.answered > repliesThen) request.lostReplicaCount += 1;
  }

  function continueAfter({ request, replica }: SentAttempt, failure: AttemptFailure): void {
    switch (afterFailure(failure, request, settings.maxAttempts)) {
      case "retry":
        admission.enter(request, true);
        break;
      case "retry-if-budgeted":
        if (isOwnFault(replica) || retries.withdraw()) admission.enter(request, true);
        else admission.reject(request, "attempt-failed");
        break;
      case "give-up":
        admission.reject(request, failure === "full" ? "overloaded" : "attempt-failed");
        break;
      case "reject-poison":
        admission.reject(request, "kills-replicas");
    }
  }

  /** Retries at another replica while the first attempt is in flight; the first answer counts. */
  function retryElsewhere({ request, replica }: SentAttempt): void {
    const isAlone = request.inFlight.length === 1 && !request.queuedIn;
    if (!isAlone || !request.isIdempotent) return;
    if (!outliers.hasPeerWith(request, replica)) return;
    if (retries.withdraw()) admission.enter(request, true);
  }

  function onOverdue(attempt: SentAttempt): void {
    if (!attempt.isOverdue) {
      attempt.isOverdue = true;
      exclude(attempt.request, attempt.replica);
      outliers.onTimeout(attempt);
    }
    if (attempt.isOrphaned) abandon(attempt);
    else retryElsewhere(attempt);
  }

  function hedge({ request, pool, replica }: SentAttempt): void {
    if (pool.queue.length > 0 || pool.utilisation > maxHedgedUtilisation) return;
    const others = new Set<ScheduledReplica>([replica]);
    for (const each of pool.replicas.values()) {
      const isIdle = each.slots.inFlight(state.nowMs) === 0 && isCandidate(request, each);
      if (!isIdle) others.add(each);
    }
    const idle = pool.soonestExcept(state.nowMs, others);
    if (!idle || idle.atMs > state.nowMs || !isInTime(request, idle.replica, state.nowMs)) return;
    if (hedges.withdraw()) send(request, pool, idle.replica);
  }

  return {
    retries,
    hedges,
    send,
    answered: (reply) => {
      const { attemptId } = reply;
      const attempt = take(attemptId);
      if (!attempt) return;
      const { request, pool, replica, isOrphaned } = attempt;
      outliers.onSuccess(attempt, reply);
      if (isOrphaned) return;
      for (const each of request.failedBy) each.confirmFailure();
      if (request.trace) {
        const { region } = pool;
        addStep(state, request, { what: "answered", region, replicaId: replica.member.id });
      }
      admission.settle(request, attemptId);
    },
    failed: (attemptId, failure) => {
      const attempt = take(attemptId);
      if (!attempt) return;
      const { request, pool, replica, isOrphaned } = attempt;
      replica.slots.free(attempt.slot);
      if (!isOrphaned) recordFailure(attempt, failure);
      outliers.onFailure(attempt, failure);
      if (isOrphaned) return;
      if (request.trace) {
        const { region } = pool;
        const replicaId = replica.member.id;
        addStep(state, request, { what: "failed", region, replicaId, because: failure });
      }
      if (request.inFlight.length === 0 && !request.queuedIn) continueAfter(attempt, failure);
    },
    cancel: (request) => {
      admission.leave(request);
      for (const attempt of request.inFlight) abandon(attempt);
      const { id, trace } = request;
      if (trace) state.commands.push({ type: "leave", id, trace });
      state.requests.delete(id);
    },
    checkTimeouts: () => {
      for (const replica of state.abandoned) {
        const freeMs = replica.slots.freeWithoutReplyMs(state.nowMs);
        if (freeMs === Number.POSITIVE_INFINITY) state.abandoned.delete(replica);
        else state.wakeMs = Math.min(state.wakeMs, freeMs);
      }
      for (const attempt of state.attempts.values()) {
        const { request, pool, replica, sentMs, isOverdue, isOrphaned } = attempt;
        const overdueMs = isOverdue ? sentMs : sentMs + pool.tryTimeoutMs(replica);
        if (overdueMs <= state.nowMs) onOverdue(attempt);
        else if (isOrphaned && request.deadlineMs <= state.nowMs) abandon(attempt);
        else if (hedgeMs(attempt) <= state.nowMs) hedge(attempt);
        else state.wakeMs = Math.min(state.wakeMs, hedgeMs(attempt));
      }
    },
    compensateStall: (stallMs) => {
      const late = new Set<ScheduledReplica>();
      for (const attempt of state.attempts.values()) {
        attempt.sentMs += stallMs;
        attempt.expectedStartMs += stallMs;
        late.add(attempt.replica);
      }
      for (const replica of late) {
        replica.slots.compensateStall(stallMs);
        replica.slowSinceMs += stallMs;
      }
    },
  };
}

function exclude(request: OpenRequest, { member }: ScheduledReplica): void {
  request.excluded = new Set([...request.excluded, member.id]);
  request.isChoosy = true;
}

/**
 * Whether a failure of a replica is its own: it is out by now, or others answered what it failed before. The budget limits
 * faults that replicas may share.
 */
function isOwnFault({ isServing, confirmedFailures }: ScheduledReplica): boolean {
  return !isServing || confirmedFailures >= 1;
}

/** Returns when the request of an attempt may be hedged; Infinity for never. */
function hedgeMs({ request, replica, expectedStartMs, isOrphaned }: SentAttempt): number {
  const isAlone = request.inFlight.length === 1 && !request.queuedIn;
  if (!request.mayHedge || isOrphaned || !isAlone) return Number.POSITIVE_INFINITY;
  return expectedStartMs + hedgeServices * replica.slots.usualMs + replica.slots.roundTripMs;
}

/** A budget of extra attempts: a share of all requests, and a reserve. */
export interface Budget {
  /** Extra attempts that are available. */
  readonly left: number;
  /** Adds the share of a request. */
  deposit(): void;
  /** Takes an extra attempt; false if none is available. */
  withdraw(): boolean;
}

export interface BudgetSettings {
  /** Extra attempts per request, 0..1. */
  readonly share: number;
  /** Extra attempts to begin with. */
  readonly reserve: number;
}

/** Maximum balance: a lasting fault must not use up what a quiet day has saved. */
const maxBalance = 100;

export function createBudget({ share, reserve }: BudgetSettings): Budget {
  const budget = {
    left: reserve,
    deposit: () => {
      budget.left = Math.min(budget.left + share, Math.max(maxBalance, reserve));
    },
    withdraw: () => {
      if (budget.left < 1) return false;
      budget.left -= 1;
      return true;
    },
  };
  return budget;
}
