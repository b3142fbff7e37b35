import type {
  Arrival,
  AttemptFailure,
  Reject,
  Rejection,
  SchedulerCommand,
  SchedulerEvent,
} from "../scheduler/events.ts";
import { isUnprocessed } from "../scheduler/retries.ts";
import type { FollowerMessage, OwnerMessage } from "./messages.ts";

/** Asks for a message to the owner. */
export interface TellOwner {
  readonly type: "tell-owner";
  readonly message: FollowerMessage;
}

/** What follows: commands, and requests for this gateway's own scheduler. */
export interface Relayed {
  readonly commands: readonly (SchedulerCommand | TellOwner)[];
  readonly arrivals?: readonly Arrival[];
}

type AttemptEnd = Extract<SchedulerEvent, { readonly type: "answered" | "failed" }>;

/**
 * Requests of this gateway that another one, the owner of the slots, schedules. Attempts have negative ids here, so that
 * none is taken for one of the own scheduler.
 */
export interface Relay {
  /** Whether a request was given to an owner, and has not ended. */
  has(id: number): boolean;
  arrive(request: Arrival, nowMs: number): Relayed;
  cancel(id: number): Relayed;
  /** Handles the end of an attempt with a negative id. */
  ended(event: AttemptEnd): Relayed;
  receive(message: OwnerMessage): Relayed;
  /** Takes back what the owner had: what waits is scheduled here, what is in flight goes on. */
  ownerLost(nowMs: number): Relayed;
  /** Schedules here, too, what is still in flight long after its owner was lost: the replica may be lost as well. */
  checkOrphans(nowMs: number): Relayed;
  /** Handles a command of the own scheduler, which may end a request that an owner had. */
  route(command: SchedulerCommand): readonly SchedulerCommand[];
}

interface RelayedRequest {
  readonly arrival: Arrival;
  readonly inFlight: Set<number>;
  /** The attempt that answered, while the owner's trace of the request is awaited. */
  answeredBy: number | undefined;
  /** How its last attempt failed, while the owner decides what follows. */
  failed: { readonly attemptId: number; readonly failure: AttemptFailure } | undefined;
  /** When its owner was lost, in milliseconds. */
  lostMs: number | undefined;
  /** Whether the own scheduler has it, too. */
  isScheduled: boolean;
  /** The own scheduler's rejection, while an attempt in flight may still answer. */
  rejection: Reject | undefined;
}

/**
 * Time without an answer after the loss of the owner, in milliseconds, after which the replica may be lost with it: longer
 * than most models take, since nothing else watches these attempts.
 */
export const orphanMs = 500;

/** Rejections that depend on the replicas that a gateway knows, which may differ while a configuration is rolled out. */
const byView: ReadonlySet<Rejection> = new Set([
  "residency",
  "unknown-version",
  "no-replica",
  "model-not-ready",
]);

/** Ids of a session with an owner; more attempts than ten years have. */
const sessionIds = 2 ** 40;
const maxSessions = 2 ** 12;

const nothing: Relayed = { commands: [] };

/** @param knows - whether a replica is known here */
export function createRelay(knows: (replicaId: string) => boolean): Relay {
  const requests = new Map<number, RelayedRequest>();
  /** Requests of the attempts in flight; some have ended, and their replies only tell when a replica is free. */
  const inFlight = new Map<number, number>();
  let session = 0;

  const ownId = (ownersId: number) => -(session * sessionIds + ownersId);

  /** Returns the owner's id of an attempt; undefined if its owner was lost. */
  function ownersIdOf(attemptId: number): number | undefined {
    const isPresent = Math.floor(-attemptId / sessionIds) === session;
    return isPresent ? -attemptId % sessionIds : undefined;
  }

  function tell(...messages: readonly FollowerMessage[]): TellOwner[] {
    return messages.map((message) => ({ type: "tell-owner", message }));
  }

  /** Cancels the attempts of a request that has ended. */
  function abandonAll(request: RelayedRequest): SchedulerCommand[] {
    return [...request.inFlight].map((attemptId) => {
      inFlight.delete(attemptId);
      return { type: "abandon", attemptId };
    });
  }

  /** Decides about a request whose last attempt has failed, and which has no owner. */
  function afterFailure(request: RelayedRequest): Relayed {
    const { arrival, failed, isScheduled, rejection } = request;
    const { id } = arrival;
    if (isScheduled && !rejection) return nothing;
    requests.delete(id);
    if (rejection) return { commands: [rejection] };
    if (!failed || mayRepeat(arrival, failed.failure)) return { commands: [], arrivals: [arrival] };
    const { attemptId } = failed;
    return { commands: [{ type: "reject", id, because: "attempt-failed", attemptId }] };
  }

  function answered(id: number, attemptId: number): SchedulerCommand[] {
    const request = requests.get(id);
    if (!request) return [];
    const hasOwner = request.lostMs === undefined;
    if (request.arrival.isTraced && hasOwner) {
      request.answeredBy = attemptId;
      return [];
    }
    requests.delete(id);
    // The owner cancels the others if that is worth it.
    const others = hasOwner ? [] : abandonAll(request);
    return [{ type: "settle", id, attemptId }, ...others];
  }

  function rejected(message: Reject): Relayed {
    const { id, attemptId } = message;
    const request = requests.get(id);
    if (!request) return nothing;
    requests.delete(id);
    const commands = abandonAll(request);
    if (byView.has(message.because)) return { commands, arrivals: [request.arrival] };
    const last = attemptId === undefined ? {} : { attemptId: ownId(attemptId) };
    return { commands: [...commands, { ...message, ...last }] };
  }

  function sent(message: Extract<OwnerMessage, { type: "send" }>): Relayed {
    const { id, attemptId: ownersId, replicaId } = message;
    const request = requests.get(id);
    // The owner learns from a message on its way that the caller has left.
    if (!request) return nothing;
    if (!knows(replicaId)) {
      return { commands: tell({ type: "failed", attemptId: ownersId, failure: "not-served" }) };
    }
    const attemptId = ownId(ownersId);
    inFlight.set(attemptId, id);
    request.inFlight.add(attemptId);
    request.failed = undefined;
    return { commands: [{ ...message, attemptId }] };
  }

  return {
    has: (id) => requests.has(id),
    arrive: (arrival, nowMs) => {
      requests.set(arrival.id, {
        arrival,
        inFlight: new Set(),
        answeredBy: undefined,
        failed: undefined,
        lostMs: undefined,
        isScheduled: false,
        rejection: undefined,
      });
      const { deadlineMs, ...request } = arrival;
      return { commands: tell({ ...request, type: "arrival", leftMs: deadlineMs - nowMs }) };
    },
    cancel: (id) => {
      const request = requests.get(id);
      if (!request) return nothing;
      requests.delete(id);
      const hasOwner = request.lostMs === undefined;
      // The owner abandons the attempts, and knows how long their replicas stay busy.
      return { commands: hasOwner ? tell({ type: "cancelled", id }) : abandonAll(request) };
    },
    ended: (event) => {
      const { attemptId } = event;
      const id = inFlight.get(attemptId);
      if (id === undefined) return nothing;
      inFlight.delete(attemptId);
      const request = requests.get(id);
      request?.inFlight.delete(attemptId);
      const ownersId = ownersIdOf(attemptId);
      const report = ownersId === undefined ? [] : tell({ ...event, attemptId: ownersId });
      if (event.type === "answered") return { commands: [...answered(id, attemptId), ...report] };
      if (!request) return { commands: report };
      request.failed = { attemptId, failure: event.failure };
      if (ownersId !== undefined || request.inFlight.size > 0) return { commands: report };
      return afterFailure(request);
    },
    receive: (message) => {
      switch (message.type) {
        case "send":
          return sent(message);
        case "settle": {
          const { id, trace } = message;
          const attemptId = requests.get(id)?.answeredBy;
          if (attemptId === undefined) return nothing;
          requests.delete(id);
          return { commands: [{ type: "settle", id, attemptId, ...(trace && { trace }) }] };
        }
        case "reject":
          return rejected(message);
        case "abandon": {
          const attemptId = ownId(message.attemptId);
          return inFlight.delete(attemptId) ? { commands: [{ ...message, attemptId }] } : nothing;
        }
      }
    },
    ownerLost: (nowMs) => {
      session = (session + 1) % maxSessions;
      const commands: SchedulerCommand[] = [];
      const arrivals: Arrival[] = [];
      for (const [id, request] of [...requests]) {
        if (request.lostMs !== undefined) continue;
        request.lostMs = nowMs;
        if (request.answeredBy !== undefined) commands.push(...answered(id, request.answeredBy));
        else if (request.inFlight.size === 0) {
          const next = afterFailure(request);
          commands.push(...(next.commands as SchedulerCommand[]));
          arrivals.push(...(next.arrivals ?? []));
        }
      }
      return { commands, arrivals };
    },
    checkOrphans: (nowMs) => {
      const arrivals: Arrival[] = [];
      for (const request of requests.values()) {
        const { arrival, lostMs, isScheduled } = request;
        if (lostMs === undefined || isScheduled || !arrival.isIdempotent) continue;
        if (nowMs - lostMs < orphanMs) continue;
        request.isScheduled = true;
        arrivals.push(arrival);
      }
      return { commands: [], arrivals };
    },
    route: (command) => {
      if (command.type !== "settle" && command.type !== "reject") return [command];
      const request = requests.get(command.id);
      if (!request?.isScheduled) return [command];
      if (command.type === "reject" && request.inFlight.size > 0) {
        request.rejection = command;
        return [];
      }
      requests.delete(command.id);
      return [command, ...abandonAll(request)];
    },
  };
}

/** Whether a request whose attempt failed may be processed again: the replica has not begun with it, or that does no harm. */
function mayRepeat({ isIdempotent }: Arrival, failure: AttemptFailure): boolean {
  if (isIdempotent || isUnprocessed(failure)) return true;
  return failure === "not-served" || failure === "unknown-label";
}
