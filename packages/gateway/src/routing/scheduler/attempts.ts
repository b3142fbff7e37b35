import { afterFailure } from "./after-failure.ts";
import { attemptWatch } from "./attempt-watch.ts";
import { type Budget, budget } from "./budget.ts";
import type { AttemptFailure, SchedulerEvent } from "./events.ts";
import {
  type Attempt,
  isCandidate,
  isInTime,
  type OpenRequest,
  type RequestPool,
} from "./open-request.ts";
import type { Lines } from "./queues/admission.ts";
import type { ReplicaCare } from "./replicas/outlier-detection.ts";
import type { Replica } from "./replicas/replica.ts";
import type { SchedulerSettings, SchedulerState } from "./state.ts";

/** Attempts at replicas, from the sending to whatever comes of them. */
export interface Attempts {
  send(request: OpenRequest, pool: RequestPool, replica: Replica): void;
  answered(event: Extract<SchedulerEvent, { type: "answered" }>): void;
  failed(attemptId: number, failure: AttemptFailure): void;
  /** The caller has gone. */
  cancel(request: OpenRequest): void;
  /** Looks after attempts that take long. */
  look(): void;
  /** Nobody looked for so long: no replica is slower for that. */
  forgive(lateMs: number): void;
  /** Told of every request that comes: budgets are shares of them. */
  earn(): void;
  readonly retries: Budget;
  /** How often somebody should look while attempts are under way, in milliseconds. */
  readonly intervalMs: number;
}

export interface AttemptsParts {
  readonly state: SchedulerState;
  readonly settings: SchedulerSettings;
  readonly lines: Lines;
  readonly care: ReplicaCare;
}

/** Extra attempts that are allowed whatever came before. */
const reserve = { retries: 3, hedges: 1 } as const;
/** Above this share of taken time nothing is sent twice. */
const hedgedBelow = 0.75;

export function attempts({ state, settings, lines, care }: AttemptsParts): Attempts {
  const retries = budget({ share: settings.retryShare, reserve: reserve.retries });
  const hedges = budget({ share: settings.hedgeShare, reserve: reserve.hedges });
  const watch = attemptWatch();
  let count = 0;

  function send(request: OpenRequest, pool: RequestPool, replica: Replica): void {
    count += 1;
    const isHedge = request.underWay.length > 0;
    const attempt: Attempt = {
      ...{ id: count, request, pool, replica, sentMs: state.nowMs },
      ...{ isOverdue: false, isLeftOver: false },
      expectedStartMs: replica.slots.send(count, state.nowMs),
      repliesThen: replica.counts.answered,
    };
    state.attempts.set(attempt.id, attempt);
    request.underWay.push(attempt);
    state.wakes.want(watch.dueMs(attempt).hedgeMs);
    pool.overload.sent(state.nowMs);
    const { model, region } = pool;
    const replicaId = replica.member.id;
    lines.note(request, { what: "sent", region, replicaId, isHedge });
    const waitedMs = isHedge ? 0 : state.nowMs - request.sinceMs;
    state.commands.push({
      ...{ type: "send", id: request.id, attemptId: attempt.id },
      ...{ model, region, replicaId, waitedMs },
    });
  }

  function take(attemptId: number): Attempt | undefined {
    const attempt = state.attempts.get(attemptId);
    if (!attempt) return undefined;
    state.attempts.delete(attemptId);
    const { underWay } = attempt.request;
    underWay.splice(underWay.indexOf(attempt), 1);
    state.touched.add(attempt.pool);
    return attempt;
  }

  function abandon(attempt: Attempt): void {
    state.wakes.want(attempt.replica.slots.abandoned(attempt.id, state.nowMs));
    state.attempts.delete(attempt.id);
    state.touched.add(attempt.pool);
    state.commands.push({ type: "abandon", attemptId: attempt.id });
  }

  /** Keeps account of what failed, for where the request may go next. */
  function remember({ id, request, pool, replica, repliesThen }: Attempt, failure: AttemptFailure) {
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

  function goOn({ request, replica }: Attempt, failure: AttemptFailure): void {
    switch (afterFailure(failure, request, settings.maxAttempts)) {
      case "again":
        lines.enter(request, true);
        break;
      case "again-if-budgeted":
        // A replica that is out by now is to blame alone. The budget is for faults that others may have as well.
        if (!replica.isServing || retries.spend()) lines.enter(request, true);
        else lines.refuse(request, "attempt-failed");
        break;
      case "give-up":
        lines.refuse(request, failure === "full" ? "overloaded" : "attempt-failed");
        break;
      case "quarantine":
        lines.refuse(request, "kills-replicas");
    }
  }

  /** Another replica may be quicker than one that may be gone; the first answer counts. */
  function tryAnother({ request, replica }: Attempt): void {
    const isAlone = request.underWay.length === 1 && !request.waitsIn;
    if (!isAlone || !request.isRepeatable) return;
    if (care.hasPeerWith(request, replica) && retries.spend()) lines.enter(request, true);
  }

  function overdue(attempt: Attempt): void {
    if (!attempt.isOverdue) {
      attempt.isOverdue = true;
      attempt.request.tried.add(attempt.replica.member.id);
      care.overdue(attempt);
    }
    if (attempt.isLeftOver) abandon(attempt);
    else tryAnother(attempt);
  }

  function hedge({ request, pool, replica }: Attempt): void {
    if (pool.line.length > 0 || pool.utilisation > hedgedBelow) return;
    const isIdle = (each: Replica) => each !== replica && each.slots.inFlight(state.nowMs) === 0;
    const idle = pool.soonest(state.nowMs, (each) => isIdle(each) && isCandidate(request, each));
    if (!idle || idle.atMs > state.nowMs || !isInTime(request, idle.replica, state.nowMs)) return;
    if (hedges.spend()) send(request, pool, idle.replica);
  }

  return {
    retries,
    intervalMs: watch.intervalMs,
    send,
    answered: (reply) => {
      const { attemptId } = reply;
      const attempt = take(attemptId);
      if (!attempt) return;
      const { request, pool, replica, isLeftOver } = attempt;
      care.praise(attempt, reply);
      if (isLeftOver) return;
      for (const each of request.failedBy) each.confirmFailure();
      const { region } = pool;
      lines.note(request, { what: "answered", region, replicaId: replica.member.id });
      lines.settle(request, attemptId);
    },
    failed: (attemptId, failure) => {
      const attempt = take(attemptId);
      if (!attempt) return;
      const { request, pool, replica, isLeftOver } = attempt;
      replica.slots.failed(attemptId);
      if (!isLeftOver) remember(attempt, failure);
      care.judge(attempt, failure);
      if (isLeftOver) return;
      const place = { region: pool.region, replicaId: replica.member.id };
      lines.note(request, { what: "failed", ...place, because: failure });
      if (request.underWay.length === 0 && !request.waitsIn) goOn(attempt, failure);
    },
    cancel: (request) => {
      lines.leave(request);
      for (const attempt of request.underWay) abandon(attempt);
      const { id, trace } = request;
      if (trace) state.commands.push({ type: "leave", id, trace });
      state.requests.delete(id);
    },
    look: () => {
      for (const attempt of state.attempts.values()) {
        const { overdueMs, hedgeMs } = watch.dueMs(attempt);
        const isOver = attempt.isLeftOver && attempt.request.deadlineMs <= state.nowMs;
        if (overdueMs <= state.nowMs) overdue(attempt);
        else if (isOver) abandon(attempt);
        else if (hedgeMs <= state.nowMs) hedge(attempt);
        else state.wakes.want(hedgeMs);
      }
    },
    forgive: (lateMs) => watch.forgive(state.attempts.values(), lateMs),
    earn: () => {
      retries.earn();
      hedges.earn();
    },
  };
}

/** Whether it speaks of a model or version at one replica alone: nothing against the region. */
function isUnserved(failure: AttemptFailure): boolean {
  return failure === "not-served" || failure === "unknown-label" || failure === "model-broken";
}

/** Whether the replica cannot have seen the request, so that it may go there again. */
function isUnseen(failure: AttemptFailure): boolean {
  return failure === "never-sent" || failure === "turned-away";
}
