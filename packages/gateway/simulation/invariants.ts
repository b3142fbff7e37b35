import type { Priority } from "@tensorgate/core";
import type {
  Arrival,
  AttemptFailure,
  SchedulerEvent,
  Send,
} from "../src/routing/scheduler/events.ts";
import type { SchedulerStatus } from "../src/routing/scheduler/status.ts";
import type { Handled } from "./world.ts";

/** Checks the commands of a scheduler after every event. Throws if one is not allowed. */
export interface Invariants {
  readonly see: (handled: Handled) => void;
  /** Checks what must hold when every request has ended. */
  atEnd(): void;
}

export interface InvariantsOptions {
  /** Whether nothing fails and no request is rejected: then more must hold. */
  readonly isCalm?: boolean;
}

/** Record of one gateway's requests. */
interface Ledger {
  readonly arrivals: Map<number, Arrival>;
  readonly sends: Map<number, number>;
  /** Failures after which a request is retried free of the budget. */
  readonly free: Map<number, number>;
  /** Attempts of a request that a budget paid. */
  readonly paid: Map<number, number>;
  /** By the id of the attempt. */
  readonly sendOf: Map<number, Send>;
  /** By replica: requests that it failed and another one answered, less a part of the answers of that replica. */
  readonly ownFaults: Map<string, number>;
  /** Replicas that failed a request. */
  readonly failedBy: Map<number, readonly string[]>;
  /** Attempts of a request that a replica may have begun with. */
  readonly seen: Map<number, number>;
  /** When the tick that was asked for is due, in milliseconds; Infinity while there is none. */
  dueMs: number;
  arrivalCount: number;
  /** Attempts that the budgets of retries and hedges paid. */
  paidCount: number;
}

/** Failures after which it is certain that the replica has done nothing. */
const notDone: ReadonlySet<AttemptFailure> = new Set([
  "unprocessed",
  "goaway",
  "not-served",
  "unknown-label",
]);
/** Initial balances of the budgets. */
const reserves = 10 + 1;
/** Shares of all requests that retries and hedges may add in all. */
const shares = 0.1 + 0.05;

export function createInvariants({ isCalm = false }: InvariantsOptions = {}): Invariants {
  const ledgers = new Map<string, Ledger>();
  const latest = new Map<string, Handled>();

  function ledgerOf(region: string): Ledger {
    const known = ledgers.get(region) ?? {
      arrivals: new Map(),
      sends: new Map(),
      free: new Map(),
      sendOf: new Map(),
      ownFaults: new Map(),
      failedBy: new Map(),
      seen: new Map(),
      paid: new Map(),
      dueMs: Number.POSITIVE_INFINITY,
      arrivalCount: 0,
      paidCount: 0,
    };
    ledgers.set(region, known);
    return known;
  }

  function sent(ledger: Ledger, send: Send, { nowMs, scheduler }: Handled): void {
    const request = ledger.arrivals.get(send.id);
    if (!request) throw new Error(`request ${send.id} is sent after it ended`);
    if (nowMs > request.deadlineMs) throw new Error("sent after the deadline");
    if (request.residency && !request.residency.includes(send.region)) {
      throw new Error(`residency is ${request.residency}, and it is sent to ${send.region}`);
    }
    const replica = replicaIn(scheduler.status(nowMs), send);
    if (replica?.state !== "ready" && replica?.state !== "half-open") {
      throw new Error(`sent to a replica that is ${replica?.state}`);
    }
    if (replica.inFlight > replica.slots) {
      throw new Error(`${replica.inFlight} in flight at a replica with ${replica.slots} slots`);
    }
    const { listed } = replica.versions;
    if (request.version !== undefined && listed?.includes(request.version) === false) {
      throw new Error(`version ${request.version} is sent to a replica with ${listed}`);
    }
    const seen = ledger.seen.get(send.id) ?? 0;
    if (!request.isIdempotent && seen > 0) throw new Error("sent twice, and is not idempotent");
    ledger.seen.set(send.id, seen + 1);
    ledger.sendOf.set(send.attemptId, send);
    const before = ledger.sends.get(send.id) ?? 0;
    ledger.sends.set(send.id, before + 1);
    const paid = ledger.paid.get(send.id) ?? 0;
    if (before - (ledger.free.get(send.id) ?? 0) > paid) {
      ledger.paid.set(send.id, paid + 1);
      ledger.paidCount += 1;
    }
    if (ledger.paidCount > shares * ledger.arrivalCount + reserves) {
      throw new Error(`${ledger.paidCount} extra attempts for ${ledger.arrivalCount} requests`);
    }
  }

  return {
    see: (handled) => {
      const { region, event, commands, nowMs, scheduler } = handled;
      const ledger = ledgerOf(region);
      latest.set(region, handled);
      if (event.type === "arrival") {
        ledger.arrivals.set(event.request.id, event.request);
        ledger.arrivalCount += 1;
      }
      if (event.type === "failed" && isFree(ledger, event, scheduler.status(nowMs))) {
        const id = ledger.sendOf.get(event.attemptId)?.id ?? Number.NaN;
        ledger.free.set(id, (ledger.free.get(id) ?? 0) + 1);
      }
      countFaults(ledger, event);
      if (event.type === "failed" && notDone.has(event.failure)) {
        const id = ledger.sendOf.get(event.attemptId)?.id ?? Number.NaN;
        ledger.seen.set(id, (ledger.seen.get(id) ?? 0) - 1);
      }
      if (event.type === "cancelled") ledger.arrivals.delete(event.id);
      if (event.type === "tick") ledger.dueMs = Number.POSITIVE_INFINITY;
      const order: Send[] = [];
      for (const command of commands) {
        if (command.type === "send") {
          sent(ledger, command, handled);
          order.push(command);
        }
        if (command.type === "settle" || command.type === "reject") {
          if (!ledger.arrivals.delete(command.id)) {
            throw new Error(`request ${command.id} ends twice`);
          }
        }
        if (command.type === "wake") {
          if (command.atMs < nowMs) throw new Error("a wake in the past");
          ledger.dueMs = command.atMs;
        }
      }
      if (!isCalm) return;
      inOrder(ledger, order);
      // A slot that is freed by time alone is filled at the next tick, which waits while the gateway is busy.
      if (ledger.dueMs > nowMs) noneIdle(scheduler.status(nowMs));
    },
    atEnd: () => {
      for (const { arrivals } of ledgers.values()) {
        if (arrivals.size > 0) throw new Error(`${arrivals.size} requests never ended`);
      }
      for (const { scheduler, nowMs } of latest.values()) empty(scheduler.status(nowMs));
    },
  };
}

/** By how much each answer of a replica reduces the count of its faults. */
const answerWeight = 0.25;

const keyOf = ({ model, replicaId }: Send): string => `${model} ${replicaId}`;

/** Counts requests that a replica failed and another one answered. */
function countFaults(ledger: Ledger, event: SchedulerEvent): void {
  if (event.type !== "answered" && event.type !== "failed") return;
  const send = ledger.sendOf.get(event.attemptId);
  if (!send || !ledger.arrivals.has(send.id)) return;
  const { ownFaults, failedBy } = ledger;
  const failed = failedBy.get(send.id) ?? [];
  if (event.type === "failed") {
    if (event.failure === "failed") failedBy.set(send.id, [...failed, keyOf(send)]);
    return;
  }
  const before = ownFaults.get(keyOf(send)) ?? 0;
  ownFaults.set(keyOf(send), Math.max(0, before - answerWeight));
  for (const key of failed) ownFaults.set(key, (ownFaults.get(key) ?? 0) + 1);
}

/** Whether a retry is free of the budget: none is needed, or the fault is the replica's own. */
function isFree(
  { sendOf, ownFaults }: Ledger,
  { attemptId, failure }: Extract<SchedulerEvent, { type: "failed" }>,
  status: SchedulerStatus,
): boolean {
  if (failure !== "failed") return true;
  const send = sendOf.get(attemptId);
  if (send && (ownFaults.get(keyOf(send)) ?? 0) >= 1) return true;
  const replica = send && replicaIn(status, send);
  return replica?.state !== "ready" && replica?.state !== "half-open";
}

/** Checks that nothing is queued or in flight. */
function empty({ pools }: SchedulerStatus): void {
  for (const { region, waiting, replicas } of pools) {
    if (waiting > 0) throw new Error(`${waiting} are queued in ${region} at the end`);
    const busy = replicas.find(({ inFlight }) => inFlight > 0);
    if (busy) throw new Error(`${busy.inFlight} are in flight at ${busy.id} at the end`);
  }
}

/** Checks that each class is first in, first out. */
function inOrder(ledger: Ledger, order: readonly Send[]): void {
  const newest = new Map<string, number>();
  for (const { id, region } of order) {
    const request = ledger.arrivals.get(id);
    if (!request) continue;
    const { priority, isForwarded }: { priority: Priority; isForwarded: boolean } = request;
    const rank = `${region} ${priority} ${isForwarded}`;
    if (id < (newest.get(rank) ?? 0)) throw new Error("a request overtakes another of its class");
    newest.set(rank, id);
  }
}

/** Checks that requests are queued only while no replica is idle. */
function noneIdle({ pools }: SchedulerStatus): void {
  for (const { waiting, replicas, region } of pools) {
    const idle = replicas.find(({ state, inFlight }) => state === "ready" && inFlight === 0);
    if (waiting > 0 && idle) throw new Error(`${waiting} wait beside an idle replica in ${region}`);
  }
}

function replicaIn({ pools }: SchedulerStatus, { region, replicaId }: Send) {
  return pools.find((pool) => pool.region === region)?.replicas.find(({ id }) => id === replicaId);
}
