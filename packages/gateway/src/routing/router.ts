import {
  type CallContext,
  type Clock,
  type ModelSpec,
  NoReplicaError,
  type RoutingStep,
} from "@tensorgate/core";
import { askNearest } from "./ask-nearest.ts";
import { type Attempt, attemptFailure } from "./attempt.ts";
import type { Dispatch, Dispatched, DispatchedRequest } from "./dispatch.ts";
import { drainWatch } from "./drain-watch.ts";
import { probeFindings } from "./probe-findings.ts";
import { type DeviceFacts, refusalError } from "./refusal-error.ts";
import { type AliasOf, namedStep } from "./replica-alias.ts";
import { type AttemptedCall, type Outcome, runningAttempts } from "./running-attempts.ts";
import type {
  PoolMembers,
  ProbeResult,
  Refuse,
  SchedulerCommand,
  SchedulerEvent,
  Send,
  StateChange,
} from "./scheduler/events.ts";
import { createScheduler, type Scheduler, type SchedulerSettings } from "./scheduler/scheduler.ts";
import type { SchedulerStatus } from "./scheduler/status.ts";

/** What a replica tells of itself beside its answers. */
export interface ReplicaFacts {
  /** Way there and back, in milliseconds. */
  readonly roundTripMs?: number | undefined;
  /** That its next call would wait, in milliseconds, where it is a gateway. */
  readonly expectedWaitMs?: number | undefined;
}

export interface RouterParts {
  readonly settings: SchedulerSettings;
  readonly pools: readonly PoolMembers[];
  /** Asks a replica, by a cheap real call, whether it can score `model`. */
  readonly probe: (model: string, replicaId: string) => Promise<ProbeResult>;
  /** Also asked of a replica that was taken out a moment ago. */
  readonly factsOf: (model: string, replicaId: string) => ReplicaFacts;
  /** The version that an answer of an attempt says it is of; undefined where it tells none. */
  readonly versionOf?: (answer: unknown) => bigint | undefined;
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
  ask<Answer>(modelSpec: ModelSpec, call: CallContext, attempt: Attempt<Answer>): Promise<Answer>;
  /**
   * The version that a call would be answered by now; undefined where that is not known, or differs between the
   * replicas that it may come to.
   */
  expectedVersion(modelSpec: ModelSpec, call: CallContext): bigint | undefined;
  setPools(pools: readonly PoolMembers[]): void;
  status(): SchedulerStatus;
  /** Regions where `model` is configured. */
  regionsOf(model: string): readonly string[];
  /** How long a new call would wait here, in milliseconds. */
  expectedWaitMs(model: string): number;
  /** Gives a replica nothing new; resolves when it has nothing left. */
  drain(replicaId: string): Promise<void>;
  /** Gives it calls again, after a good probe. */
  readmit(replicaId: string): void;
  /** Stops probing, and ends whatever is still open. */
  close(): void;
}

/** A call that has not ended. */
interface OpenCall extends AttemptedCall {
  readonly modelSpec: ModelSpec;
  /** What attempts ended with, until it is known which of them counts. */
  readonly outcomes: Map<number, Outcome>;
  settle(outcome: Outcome): void;
}

/** Runs a scheduler behind real calls: with a clock, attempts, probes and the callers' signals. */
export function router(parts: RouterParts): Router {
  const { settings, probe, factsOf, versionOf = () => undefined, onChange } = parts;
  const { aliasOf, devicesOf, clock } = parts;
  const core: Scheduler = createScheduler(settings);
  const calls = new Map<number, OpenCall>();
  const running = runningAttempts(clock);
  let pools = parts.pools;
  let timer: Disposable | undefined;
  let nextId = 0;
  let isClosed = false;
  const drains = drainWatch((replicaId) => !running.isAnyAt(replicaId));
  /** What happened while something else was carried out, as when whoever is told of a change takes other pools. */
  const untold: SchedulerEvent[] = [];
  let isTelling = false;

  function tell(event: SchedulerEvent): void {
    if (isClosed) return;
    untold.push(event);
    if (isTelling) return;
    isTelling = true;
    try {
      for (let next = untold.shift(); next && !isClosed; next = untold.shift()) {
        for (const command of core.handle(next, clock.nowMs())) carryOut(command);
      }
    } finally {
      isTelling = false;
    }
    drains.look();
  }

  function carryOut(command: SchedulerCommand): void {
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
      case "leave": {
        const open = calls.get(command.id);
        if (open) tellCaller(open, command.trace);
        break;
      }
      case "abandon":
        running.abandon(command.attemptId);
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
    const open = calls.get(send.id);
    if (!open) return;
    const outcome = await running.make(send, open);
    if (!outcome) return;
    const { attemptId } = send;
    open.outcomes.set(attemptId, outcome);
    const failure = "error" in outcome ? attemptFailure(outcome.error) : undefined;
    tell(failure ? { type: "failed", attemptId, failure } : answeredBy(send, outcome));
  }

  function answeredBy({ model, replicaId, attemptId }: Send, outcome: Outcome): SchedulerEvent {
    const { expectedWaitMs } = factsOf(model, replicaId);
    const version = "answer" in outcome ? versionOf(outcome.answer) : undefined;
    return {
      ...{ type: "answered", attemptId },
      ...(version !== undefined && { version }),
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
    const { name: model, version } = open.modelSpec;
    const { residency, isForwarded } = open.call.wishes;
    const error = refusalError(because, {
      model,
      devices: devicesOf?.(model, residency),
      ...(version !== undefined && { version }),
      versions: () => core.versionsFor({ model, residency, isForwarded }),
      findings: () => probeFindings(core.status(clock.nowMs()).pools, { model, residency }),
      ...(retryAfterMs !== undefined && { retryAfterMs }),
      ...(last && "error" in last && { lastError: last.error }),
    });
    open.settle({ error });
  }

  function tellCaller({ modelSpec, call }: OpenCall, trace: readonly RoutingStep[] = []): void {
    const { routed } = call;
    if (!routed) return;
    const named = trace.map((each) => namedStep(each, { aliasOf, call }));
    routed.steps = [...routed.steps, ...named];
    // Of use to another gateway, and to nobody else.
    if (!call.wishes.isForwarded) return;
    routed.expectedWaitMs = core.expectedWaitMs(modelSpec.name, clock.nowMs());
  }

  async function probeNow(model: string, replicaId: string): Promise<void> {
    const result = await probe(model, replicaId).catch((): ProbeResult => ({ finding: "lost" }));
    const { roundTripMs, expectedWaitMs } = factsOf(model, replicaId);
    tell({
      ...{ ...result, type: "probed", model, replicaId },
      ...(roundTripMs !== undefined && { roundTripMs }),
      ...(expectedWaitMs !== undefined && { expectedWaitMs }),
    });
  }

  const regionsOf = (model: string) => [
    ...new Set(pools.filter((pool) => pool.model === model).map(({ region }) => region)),
  ];

  const dispatch: Dispatch = <Answer>(
    { modelSpec, model }: DispatchedRequest,
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
        ...{ modelSpec, call, attempt, outcomes: new Map() },
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
          ...{ version: modelSpec.version, versionLabel: modelSpec.versionLabel },
          ...{ isRepeatable, mayHedge, isForwarded, isTraced: call.routed?.isTraced ?? false },
        },
      });
    });
  };

  tell({ type: "pools", pools });
  return {
    dispatch,
    ask: (modelSpec, call, attempt) =>
      askNearest(attempt, {
        ...{ modelSpec, call, pools: core.status(clock.nowMs()).pools },
        devices: devicesOf?.(modelSpec.name, call.wishes.residency),
      }),
    expectedVersion: (modelSpec, { wishes: { residency, isForwarded } }) =>
      core.expectedVersion({
        ...{ model: modelSpec.name, residency, isForwarded },
        ...{ version: modelSpec.version, versionLabel: modelSpec.versionLabel },
      }),
    regionsOf,
    setPools: (next) => {
      pools = next;
      tell({ type: "pools", pools });
    },
    status: () => core.status(clock.nowMs()),
    expectedWaitMs: (model) => core.expectedWaitMs(model, clock.nowMs()),
    drain: (replicaId) => {
      tell({ type: "drain", replicaId });
      return drains.until(replicaId);
    },
    readmit: (replicaId) => tell({ type: "readmit", replicaId }),
    close: () => {
      isClosed = true;
      timer?.[Symbol.dispose]();
      const error = new NoReplicaError("the gateway is closing");
      running.abandonAll(error);
      for (const open of [...calls.values()]) open.settle({ error });
      drains.look();
    },
  };
}
