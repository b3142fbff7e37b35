import type { AttemptFailure, SchedulerEvent } from "./events.ts";
import type { Admission } from "./queues/admission.ts";
import type { OutlierDetection } from "./replicas/outlier-detection.ts";
import { isCandidate, isInTime, type ScheduledReplica } from "./replicas/replica.ts";
import { afterFailure, isUnseen, isUnserved } from "./retries.ts";
import {
  note,
  type OpenRequest,
  type Pool,
  type SchedulerSettings,
  type SchedulerState,
  type SentAttempt,
} from "./state.ts";

/** Attempts at replicas, from the sending to whatever comes of them. */
export interface Attempts {
  send(request: OpenRequest, pool: Pool, replica: ScheduledReplica): void;
  answered(event: Extract<SchedulerEvent, { type: "answered" }>): void;
  failed(attemptId: number, failure: AttemptFailure): void;
  /** The caller has gone. */
  cancel(request: OpenRequest): void;
  /** Looks after attempts that take long. */
  checkTimeouts(): void;
  /** The gateway was held up for so long: no replica is slower for that. */
  forgive(lateMs: number): void;
  readonly retries: Budget;
  readonly hedges: Budget;
}

export interface AttemptsDeps {
  readonly state: SchedulerState;
  readonly settings: SchedulerSettings;
  readonly admission: Admission;
  readonly outliers: OutlierDetection;
}

/** How often timeouts are checked while attempts are under way, in milliseconds. */
export const timeoutCheckMs = 10;
/** Extra attempts that are allowed whatever came before. */
const reserve = { retries: 3, hedges: 1 } as const;
/** Above this share of taken time nothing is sent twice. */
const hedgedBelow = 0.75;
/** A hedge is sent so many service times after the replica should have begun. */
const hedgeServices = 2;

export function createAttempts({ state, settings, admission, outliers }: AttemptsDeps): Attempts {
  const retries = createBudget({ share: settings.retryShare, reserve: reserve.retries });
  const hedges = createBudget({ share: settings.hedgeShare, reserve: reserve.hedges });
  let count = 0;

  function send(request: OpenRequest, pool: Pool, replica: ScheduledReplica): void {
    count += 1;
    const isHedge = request.underWay.length > 0;
    const attempt: SentAttempt = {
      id: count,
      request,
      pool,
      replica,
      sentMs: state.nowMs,
      expectedStartMs: replica.slots.send(count, state.nowMs),
      repliesThen: replica.counts.answered,
      isOverdue: false,
      isLeftOver: false,
    };
    state.attempts.set(attempt.id, attempt);
    request.underWay.push(attempt);
    if (request.mayHedge) state.wakeMs = Math.min(state.wakeMs, hedgeMs(attempt));
    pool.overload.count("sent", state.nowMs);
    const { model, region } = pool;
    const replicaId = replica.member.id;
    if (request.trace) note(state, request, { what: "sent", region, replicaId, isHedge });
    const waitedMs = isHedge ? 0 : state.nowMs - request.sinceMs;
    const { id } = request;
    state.commands.push({ type: "send", id, attemptId: count, model, region, replicaId, waitedMs });
  }

  function take(attemptId: number): SentAttempt | undefined {
    const attempt = state.attempts.get(attemptId);
    if (!attempt) return undefined;
    state.attempts.delete(attemptId);
    const { underWay } = attempt.request;
    underWay.splice(underWay.indexOf(attempt), 1);
    state.touched.add(attempt.pool);
    return attempt;
  }

  function abandon(attempt: SentAttempt): void {
    const freeMs = attempt.replica.slots.abandoned(attempt.id, state.nowMs);
    state.wakeMs = Math.min(state.wakeMs, freeMs);
    state.attempts.delete(attempt.id);
    state.touched.add(attempt.pool);
    state.commands.push({ type: "abandon", attemptId: attempt.id });
  }

  /** Keeps account of what failed, for where the request may go next. */
  function remember(attempt: SentAttempt, failure: AttemptFailure): void {
    const { id, request, pool, replica, repliesThen } = attempt;
    request.lastFailed = { attemptId: id, failure };
    if (isUnseen(failure)) return;
    request.tried.add(replica.member.id);
    if (failure === "warming") return;
    request.failedCount += 1;
    if (isUnserved(failure)) return;
    request.failures.set(pool.region, (request.failures.get(pool.region) ?? 0) + 1);
    if (failure === "failed") request.failedBy.push(replica);
    // Only a replica that was alive can have been killed.
    if (failure === "lost" && replica.counts.answered > repliesThen) request.killCount += 1;
  }

  function goOn({ request, replica }: SentAttempt, failure: AttemptFailure): void {
    switch (afterFailure(failure, request, settings.maxAttempts)) {
      case "again":
        admission.enter(request, true);
        break;
      case "again-if-budgeted":
        // A replica that is out by now is to blame alone. The budget is for faults that others may have as well.
        if (!replica.isServing || retries.spend()) admission.enter(request, true);
        else admission.refuse(request, "attempt-failed");
        break;
      case "give-up":
        admission.refuse(request, failure === "full" ? "overloaded" : "attempt-failed");
        break;
      case "quarantine":
        admission.refuse(request, "kills-replicas");
    }
  }

  /** Another replica may be quicker than one that may be gone; the first answer counts. */
  function tryAnother({ request, replica }: SentAttempt): void {
    const isAlone = request.underWay.length === 1 && !request.waitsIn;
    if (!isAlone || !request.isIdempotent) return;
    if (outliers.hasPeerWith(request, replica) && retries.spend()) admission.enter(request, true);
  }

  function overdue(attempt: SentAttempt): void {
    if (!attempt.isOverdue) {
      attempt.isOverdue = true;
      attempt.request.tried.add(attempt.replica.member.id);
      outliers.onTimeout(attempt);
    }
    if (attempt.isLeftOver) abandon(attempt);
    else tryAnother(attempt);
  }

  function hedge({ request, pool, replica }: SentAttempt): void {
    if (pool.line.length > 0 || pool.utilisation > hedgedBelow) return;
    const others = new Set<ScheduledReplica>([replica]);
    for (const each of pool.replicas.values()) {
      const isIdle = each.slots.inFlight(state.nowMs) === 0 && isCandidate(request, each);
      if (!isIdle) others.add(each);
    }
    const idle = pool.soonest(state.nowMs, others);
    if (!idle || idle.atMs > state.nowMs || !isInTime(request, idle.replica, state.nowMs)) return;
    if (hedges.spend()) send(request, pool, idle.replica);
  }

  return {
    retries,
    hedges,
    send,
    answered: (reply) => {
      const { attemptId } = reply;
      const attempt = take(attemptId);
      if (!attempt) return;
      const { request, pool, replica, isLeftOver } = attempt;
      outliers.onSuccess(attempt, reply);
      if (isLeftOver) return;
      for (const each of request.failedBy) each.confirmFailure();
      if (request.trace) {
        const { region } = pool;
        note(state, request, { what: "answered", region, replicaId: replica.member.id });
      }
      admission.settle(request, attemptId);
    },
    failed: (attemptId, failure) => {
      const attempt = take(attemptId);
      if (!attempt) return;
      const { request, pool, replica, isLeftOver } = attempt;
      replica.slots.failed(attemptId);
      if (!isLeftOver) remember(attempt, failure);
      outliers.onFailure(attempt, failure);
      if (isLeftOver) return;
      if (request.trace) {
        const { region } = pool;
        const replicaId = replica.member.id;
        note(state, request, { what: "failed", region, replicaId, because: failure });
      }
      if (request.underWay.length === 0 && !request.waitsIn) goOn(attempt, failure);
    },
    cancel: (request) => {
      admission.leave(request);
      for (const attempt of request.underWay) abandon(attempt);
      const { id, trace } = request;
      if (trace) state.commands.push({ type: "leave", id, trace });
      state.requests.delete(id);
    },
    checkTimeouts: () => {
      for (const attempt of state.attempts.values()) {
        const { request, pool, replica, sentMs, isOverdue, isLeftOver } = attempt;
        const overdueMs = isOverdue ? sentMs : sentMs + pool.tryTimeoutMs(replica);
        if (overdueMs <= state.nowMs) overdue(attempt);
        else if (isLeftOver && request.deadlineMs <= state.nowMs) abandon(attempt);
        else if (hedgeMs(attempt) <= state.nowMs) hedge(attempt);
        else state.wakeMs = Math.min(state.wakeMs, hedgeMs(attempt));
      }
    },
    forgive: (lateMs) => {
      const late = new Set<ScheduledReplica>();
      for (const attempt of state.attempts.values()) {
        attempt.sentMs += lateMs;
        attempt.expectedStartMs += lateMs;
        late.add(attempt.replica);
      }
      for (const { slots } of late) slots.forgive(lateMs);
    },
  };
}

/** When a second replica may get the request of an attempt as well; Infinity for never. */
function hedgeMs({ request, replica, expectedStartMs, isLeftOver }: SentAttempt): number {
  const isAlone = request.underWay.length === 1 && !request.waitsIn;
  if (!request.mayHedge || isLeftOver || !isAlone) return Number.POSITIVE_INFINITY;
  return expectedStartMs + hedgeServices * replica.slots.usualMs + replica.slots.roundTripMs;
}

/** Extra work that is allowed: a share of all requests, and a few to begin with. */
export interface Budget {
  /** Extra attempts that may be made now. */
  readonly left: number;
  /** Told of every request. */
  earn(): void;
  /** Takes one, or says that there is none. */
  spend(): boolean;
}

export interface BudgetSettings {
  /** Extra attempts per request, 0..1. */
  readonly share: number;
  /** Extra attempts that are allowed whatever came before. */
  readonly reserve: number;
}

/** As much as can be saved up: a fault that lasts must not live on what a quiet day left. */
const maxSaved = 100;

export function createBudget({ share, reserve }: BudgetSettings): Budget {
  const budget = {
    left: reserve,
    earn: () => {
      budget.left = Math.min(budget.left + share, Math.max(maxSaved, reserve));
    },
    spend: () => {
      if (budget.left < 1) return false;
      budget.left -= 1;
      return true;
    },
  };
  return budget;
}
