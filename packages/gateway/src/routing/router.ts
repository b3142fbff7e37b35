import {
  type CallContext,
  CancelledError,
  type Clock,
  NoReplicaError,
  type RoutingStep,
  ScoringError,
} from "@tensorgate/core";
import { askNearest } from "./ask-nearest.ts";
import { type Attempt, attemptFailure } from "./attempt.ts";
import { type Dispatcher, type DispatcherSettings, dispatcher } from "./dispatcher/dispatcher.ts";
import type { DispatcherStatus } from "./dispatcher/dispatcher-status.ts";
import type {
  DispatcherCommand,
  DispatcherEvent,
  PoolMembers,
  ProbeFinding,
  Refuse,
  Send,
  StateChange,
} from "./dispatcher/events.ts";
import { type DeviceFacts, refusalError } from "./refusal-error.ts";
import { type AliasOf, namedStep } from "./replica-alias.ts";

export interface Dispatched<Answer> {
  readonly answer: Answer;
  /** Where it was answered. */
  readonly region: string;
}

/** What the model of a call allows. */
export interface DispatchedModel {
  readonly name: string;
  /** Whether a request may be done twice. */
  readonly isRepeatable: boolean;
  /** Whether a slow one may be sent to a second replica. */
  readonly mayHedge: boolean;
}

/**
 * Finds a replica for a call and does `attempt` there, at another one when that fails.
 *
 * @throws NoReplicaError if no replica of the model is in rotation
 * @throws ModelNotReadyError if the model is being loaded everywhere
 * @throws ForbiddenError if residency leaves no region
 * @throws OverloadedError if too much is waiting
 * @throws UpstreamFailedError if every attempt failed
 */
export type Dispatch = <Answer>(
  model: DispatchedModel,
  call: CallContext,
  attempt: Attempt<Answer>,
) => Promise<Dispatched<Answer>>;

/** What a replica tells of itself beside its answers. */
export interface ReplicaFacts {
  /** Way there and back, in milliseconds. */
  readonly roundTripMs?: number | undefined;
  /** That its next call would wait, in milliseconds, where it is a gateway. */
  readonly expectedWaitMs?: number | undefined;
}

export interface RouterParts {
  readonly settings: DispatcherSettings;
  readonly pools: readonly PoolMembers[];
  /** Asks a replica, by a cheap real call, whether it can score `model`. Never rejects. */
  readonly probe: (model: string, replicaId: string) => Promise<ProbeFinding>;
  readonly factsOf: (model: string, replicaId: string) => ReplicaFacts;
  /** Told of every change of a replica's state. */
  readonly onChange: (change: StateChange) => void;
  /** What callers are told of a replica. */
  readonly aliasOf: AliasOf;
  /** What callers are told of a model that no replica has, where devices hold one at a time. */
  readonly devicesOf?: (model: string, residency?: readonly string[]) => DeviceFacts | undefined;
  readonly clock: Clock;
}

export interface Router {
  readonly dispatch: Dispatch;
  /** Asks replicas in rotation one after the other, the nearest first: what costs them little needs no slot. */
  ask<Answer>(model: string, call: CallContext, attempt: Attempt<Answer>): Promise<Answer>;
  setPools(pools: readonly PoolMembers[]): void;
  status(): DispatcherStatus;
  /** Regions where `model` is configured. */
  regionsOf(model: string): readonly string[];
  /** How long a new call would wait here, in milliseconds. */
  expectedWaitMs(model: string): number;
  /** Gives a replica nothing new; resolves when it has nothing left. */
  drain(replicaId: string): Promise<void>;
  /** Gives it calls again, after a good probe. */
  readmit(replicaId: string): void;
  /** Stops probing. */
  close(): void;
}

/** A call that has not ended. */
interface OpenCall {
  readonly model: string;
  readonly call: CallContext;
  readonly attempt: Attempt<unknown>;
  /** What attempts ended with, until it is known which of them counts. */
  readonly outcomes: Map<number, Outcome>;
  settle(outcome: Outcome): void;
}

interface RunningAttempt {
  readonly call: CallContext;
  readonly controller: AbortController;
}

type Outcome =
  | { readonly answer: unknown; readonly region: string }
  | { readonly error: ScoringError };

/** Runs a dispatcher behind real calls: with a clock, attempts, probes and the callers' signals. */
export function router(parts: RouterParts): Router {
  const { settings, probe, factsOf, onChange, aliasOf, devicesOf, clock } = parts;
  const core: Dispatcher = dispatcher(settings);
  const calls = new Map<number, OpenCall>();
  /** Attempts that somebody waits for. */
  const running = new Map<number, RunningAttempt>();
  let pools = parts.pools;
  let timer: Disposable | undefined;
  let nextId = 0;
  let isClosed = false;
  /** Who waits until a replica has nothing left. */
  const draining = new Map<string, Set<() => void>>();

  function tell(event: DispatcherEvent): void {
    if (isClosed) return;
    for (const command of core.handle(event, clock.nowMs())) carryOut(command);
    if (draining.size > 0) tellDrained();
  }

  function carryOut(command: DispatcherCommand): void {
    switch (command.type) {
      case "send":
        void run(command);
        break;
      case "settle":
        settle(command.id, command.attemptId, command.trace);
        break;
      case "refuse":
        refuse(command);
        break;
      case "abandon":
        abandon(command.attemptId);
        break;
      case "probe":
        void probeNow(command.model, command.replicaId);
        break;
      case "note":
        onChange(command.change);
        break;
      case "wake":
        timer?.[Symbol.dispose]();
        timer = clock.setTimer(Math.max(0, command.atMs - clock.nowMs()), () =>
          tell({ type: "tick" }),
        );
    }
  }

  async function run(send: Send): Promise<void> {
    const { id, attemptId, model, region, replicaId, waitedMs } = send;
    const open = calls.get(id);
    if (!open) return;
    const { call } = open;
    const controller = new AbortController();
    running.set(attemptId, { call, controller });
    call.times.add("queue", waitedMs);
    const watched = call.watch?.attempt({ model, region, replicaId });
    const startedMs = clock.nowMs();
    const { traceparent = call.traceparent } = watched ?? {};
    const attemptCall = { ...call, signal: controller.signal, ...(traceparent && { traceparent }) };
    let event: DispatcherEvent;
    try {
      const answer = await open.attempt(replicaId, attemptCall);
      watched?.end();
      open.outcomes.set(attemptId, { answer, region });
      event = answeredBy(send);
    } catch (thrown) {
      const error = ScoringError.from(thrown);
      watched?.end(error);
      open.outcomes.set(attemptId, { error });
      const failure = attemptFailure(error);
      event = failure ? { type: "failed", attemptId, failure } : answeredBy(send);
    }
    // Whoever was abandoned has no say any more.
    if (!running.delete(attemptId)) return;
    call.times.add("upstream", clock.nowMs() - startedMs);
    tell(event);
  }

  function answeredBy({ model, replicaId, attemptId }: Send): DispatcherEvent {
    const { expectedWaitMs } = factsOf(model, replicaId);
    return {
      ...{ type: "answered", attemptId },
      ...(expectedWaitMs !== undefined && { expectedWaitMs }),
    };
  }

  function settle(id: number, attemptId: number, trace: readonly RoutingStep[] | undefined): void {
    const open = calls.get(id);
    const outcome = open?.outcomes.get(attemptId);
    if (!open || !outcome) return;
    tellCaller(open, trace);
    open.settle(outcome);
  }

  function refuse({ id, because, attemptId, retryAfterMs, trace }: Refuse): void {
    const open = calls.get(id);
    if (!open) return;
    const last = attemptId === undefined ? undefined : open.outcomes.get(attemptId);
    tellCaller(open, trace);
    const error = refusalError(because, {
      ...{ model: open.model, regions: regionsOf(open.model) },
      devices: devicesOf?.(open.model, open.call.wishes.residency),
      ...(retryAfterMs !== undefined && { retryAfterMs }),
      ...(last && "error" in last && { lastError: last.error }),
    });
    open.settle({ error });
  }

  function tellCaller({ model, call }: OpenCall, trace: readonly RoutingStep[] = []): void {
    const { routed } = call;
    if (!routed) return;
    const named = trace.map((each) => namedStep(each, { aliasOf, call }));
    routed.steps = [...routed.steps, ...named];
    routed.expectedWaitMs = core.expectedWaitMs(model, clock.nowMs());
  }

  /** Somebody else was quicker, or the caller has gone. */
  function abandon(attemptId: number): void {
    const attempt = running.get(attemptId);
    if (!attempt) return;
    running.delete(attemptId);
    const { signal } = attempt.call;
    const isGone = signal.aborted;
    attempt.controller.abort(isGone ? signal.reason : new CancelledError("another was quicker"));
  }

  async function probeNow(model: string, replicaId: string): Promise<void> {
    const finding = await probe(model, replicaId);
    const { roundTripMs, expectedWaitMs } = factsOf(model, replicaId);
    tell({
      ...{ type: "probed", model, replicaId, finding },
      ...(roundTripMs !== undefined && { roundTripMs }),
      ...(expectedWaitMs !== undefined && { expectedWaitMs }),
    });
  }

  const regionsOf = (model: string) => [
    ...new Set(pools.filter((pool) => pool.model === model).map(({ region }) => region)),
  ];

  function inFlightAt(replicaId: string): number {
    const all = core.status(clock.nowMs()).pools.flatMap(({ replicas }) => replicas);
    return all
      .filter(({ id }) => id === replicaId)
      .reduce((sum, { inFlight }) => sum + inFlight, 0);
  }

  function tellDrained(): void {
    for (const [replicaId, waiting] of draining) {
      if (inFlightAt(replicaId) > 0) continue;
      draining.delete(replicaId);
      for (const wake of waiting) wake();
    }
  }

  const dispatch: Dispatch = <Answer>(
    model: DispatchedModel,
    call: CallContext,
    attempt: Attempt<Answer>,
  ) => {
    const { signal, deadline, wishes } = call;
    if (isClosed) return Promise.reject(new NoReplicaError("the gateway is closing"));
    if (signal.aborted) return Promise.reject(signal.reason);
    nextId += 1;
    const id = nextId;
    return new Promise<Dispatched<Answer>>((resolve, reject) => {
      const end = () => {
        calls.delete(id);
        signal.removeEventListener("abort", onAbort);
      };
      const onAbort = () => {
        tell({ type: "cancelled", id });
        end();
        reject(signal.reason);
      };
      signal.addEventListener("abort", onAbort, { once: true });
      calls.set(id, {
        ...{ model: model.name, call, attempt, outcomes: new Map() },
        settle: (outcome) => {
          end();
          if ("error" in outcome) reject(outcome.error);
          // What `attempt` resolves to is what its outcome holds.
          else resolve(outcome as Dispatched<Answer>);
        },
      });
      const { region, residency, priority = "normal", isForwarded = false } = wishes;
      const { isRepeatable, mayHedge } = model;
      tell({
        type: "arrival",
        request: {
          ...{ id, model: model.name, priority, deadlineMs: deadline.atMs },
          ...(region !== undefined && { region }),
          ...(residency && { residency }),
          ...{ isRepeatable, mayHedge, isForwarded, isTraced: call.routed?.isTraced ?? false },
        },
      });
    });
  };

  tell({ type: "pools", pools });
  return {
    dispatch,
    ask: (model, call, attempt) =>
      askNearest(attempt, {
        ...{ model, call, pools: core.status(clock.nowMs()).pools },
        devices: devicesOf?.(model, call.wishes.residency),
      }),
    regionsOf,
    setPools: (next) => {
      pools = next;
      tell({ type: "pools", pools });
    },
    status: () => core.status(clock.nowMs()),
    expectedWaitMs: (model) => core.expectedWaitMs(model, clock.nowMs()),
    drain: (replicaId) => {
      const drained = new Promise<void>((resolve) => {
        const waiting = draining.get(replicaId) ?? new Set();
        draining.set(replicaId, waiting.add(resolve));
      });
      tell({ type: "drain", replicaId });
      return drained;
    },
    readmit: (replicaId) => tell({ type: "readmit", replicaId }),
    close: () => {
      isClosed = true;
      timer?.[Symbol.dispose]();
    },
  };
}
