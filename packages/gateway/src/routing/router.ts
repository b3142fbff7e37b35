import {
  type CallContext,
  CancelledError,
  NoReplicaError,
  type RoutingStep,
  ScoringError,
} from "@tensorgate/core";
import { askNearest } from "./ask-nearest.ts";
import { attemptFailure } from "./attempt-failure.ts";
import { createConditions } from "./condition.ts";
import { probeFindings, refusalError } from "./refusal-error.ts";
import type {
  CallReplica,
  Dispatch,
  Dispatched,
  DispatchedRequest,
  Router,
  RouterDeps,
} from "./router-api.ts";
import { addSteps } from "./routing-trace.ts";
import type {
  ProbeResult,
  Refuse,
  SchedulerCommand,
  SchedulerEvent,
  Send,
} from "./scheduler/events.ts";
import { createScheduler } from "./scheduler/scheduler.ts";

/** What an attempt ended with. */
type AttemptOutcome = Dispatched<unknown> | { readonly error: ScoringError };

/** A call that has not ended. */
interface DispatchedCall {
  readonly modelSpec: DispatchedRequest["modelSpec"];
  readonly call: CallContext;
  readonly attempt: CallReplica<unknown>;
  /** What attempts ended with, until it is known which of them counts. */
  readonly outcomes: Map<number, AttemptOutcome>;
  settle(outcome: AttemptOutcome): void;
}

/** An attempt that is under way, whether its call still waits for it or not. */
interface RunningAttempt {
  readonly call: CallContext;
  readonly replicaId: string;
  readonly controller: AbortController;
}

/** Runs a scheduler behind real calls: with a clock, attempts, probes and the callers' signals. */
export function createRouter(deps: RouterDeps): Router {
  const { probe, factsOf, versionOf, onChange, aliasOf, devicesOf, clock } = deps;
  const scheduler = createScheduler(deps.settings);
  const calls = new Map<number, DispatchedCall>();
  const running = new Map<number, RunningAttempt>();
  const idle = createConditions();
  /** What happened while commands are carried out, as when `onChange` sets other pools. */
  const events: SchedulerEvent[] = [];
  let { pools } = deps;
  let timer: Disposable | undefined;
  let nextId = 0;
  let isDraining = false;
  let isClosed = false;

  function emit(event: SchedulerEvent): void {
    if (isClosed) return;
    events.push(event);
    if (isDraining) return;
    isDraining = true;
    try {
      for (let next = events.shift(); next && !isClosed; next = events.shift()) {
        for (const command of scheduler.handle(next, clock.nowMs())) carryOut(command);
      }
    } finally {
      isDraining = false;
    }
    idle.notify();
  }

  function carryOut(command: SchedulerCommand): void {
    switch (command.type) {
      case "send":
        void run(command);
        break;
      case "settle": {
        const open = calls.get(command.id);
        const outcome = open?.outcomes.get(command.attemptId);
        if (!open || !outcome) break;
        tellCaller(open, command.trace);
        open.settle(outcome);
        break;
      }
      case "refuse":
        refuse(command);
        break;
      case "leave": {
        const open = calls.get(command.id);
        if (open) tellCaller(open, command.trace);
        break;
      }
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
          emit({ type: "tick" }),
        );
    }
  }

  async function run(send: Send): Promise<void> {
    const open = calls.get(send.id);
    if (!open) return;
    const { attemptId, model, region, replicaId } = send;
    const { call, attempt } = open;
    const controller = new AbortController();
    running.set(attemptId, { call, replicaId, controller });
    call.times.add("queue", send.waitedMs);
    const startedMs = clock.nowMs();
    const observed = call.observer?.attempt({ model, region, replicaId });
    const { traceparent = call.traceparent } = observed ?? {};
    const { signal } = controller;
    let outcome: AttemptOutcome;
    try {
      const attemptCall = { ...call, signal, ...(traceparent && { traceparent }) };
      outcome = { answer: await attempt(replicaId, attemptCall), region };
      observed?.end();
    } catch (thrown) {
      outcome = { error: ScoringError.from(thrown) };
      observed?.end(outcome.error);
    }
    // One that was abandoned has no say any more.
    if (!running.delete(attemptId)) return;
    call.times.add("upstream", clock.nowMs() - startedMs);
    open.outcomes.set(attemptId, outcome);
    const failure = "error" in outcome ? attemptFailure(outcome.error) : undefined;
    if (failure) {
      emit({ type: "failed", attemptId, failure });
      return;
    }
    const { expectedWaitMs } = factsOf(model, replicaId);
    const version = "answer" in outcome ? versionOf?.(outcome.answer) : undefined;
    emit({
      type: "answered",
      attemptId,
      ...(version !== undefined && { version }),
      ...(expectedWaitMs !== undefined && { expectedWaitMs }),
    });
  }

  /** Another attempt was quicker, or the caller has gone. */
  function abandon(attemptId: number): void {
    const attempt = running.get(attemptId);
    if (!attempt) return;
    running.delete(attemptId);
    const { signal } = attempt.call;
    attempt.controller.abort(
      signal.aborted ? signal.reason : new CancelledError("another attempt answered first"),
    );
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
      versions: () => scheduler.versionsFor({ model, residency, isForwarded }),
      findings: () => probeFindings(scheduler.status(clock.nowMs()).pools, { model, residency }),
      ...(retryAfterMs !== undefined && { retryAfterMs }),
      ...(last && "error" in last && { lastError: last.error }),
    });
    open.settle({ error });
  }

  function tellCaller({ modelSpec, call }: DispatchedCall, steps: readonly RoutingStep[] = []) {
    if (!call.routed) return;
    addSteps(call, steps, aliasOf);
    // Of use to another gateway only.
    if (!call.wishes.isForwarded) return;
    call.routed.expectedWaitMs = scheduler.expectedWaitMs(modelSpec.name, clock.nowMs());
  }

  async function probeNow(model: string, replicaId: string): Promise<void> {
    const result = await probe(model, replicaId).catch((): ProbeResult => ({ finding: "lost" }));
    const { roundTripMs, expectedWaitMs } = factsOf(model, replicaId);
    emit({
      ...result,
      type: "probed",
      model,
      replicaId,
      ...(roundTripMs !== undefined && { roundTripMs }),
      ...(expectedWaitMs !== undefined && { expectedWaitMs }),
    });
  }

  const dispatch: Dispatch = <Answer>(
    { modelSpec, model }: DispatchedRequest,
    call: CallContext,
    attempt: CallReplica<Answer>,
  ) => {
    const { signal, deadline, wishes } = call;
    if (isClosed) return Promise.reject(new NoReplicaError("the gateway is closing"));
    if (signal.aborted) return Promise.reject(signal.reason);
    nextId += 1;
    const id = nextId;
    const { promise, resolve, reject } = Promise.withResolvers<Dispatched<Answer>>();
    const onAbort = () => {
      emit({ type: "cancelled", id });
      settle({ error: signal.reason });
    };
    const settle = (outcome: AttemptOutcome) => {
      calls.delete(id);
      signal.removeEventListener("abort", onAbort);
      if ("error" in outcome) reject(outcome.error);
      // What `attempt` resolves to is what its outcome holds.
      else resolve(outcome as Dispatched<Answer>);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    calls.set(id, { modelSpec, call, attempt, outcomes: new Map(), settle });
    emit({
      type: "arrival",
      request: {
        id,
        model: model.name,
        version: modelSpec.version,
        versionLabel: modelSpec.versionLabel,
        priority: wishes.priority ?? "normal",
        deadlineMs: deadline.atMs,
        isIdempotent: model.isIdempotent,
        mayHedge: model.mayHedge,
        isForwarded: wishes.isForwarded ?? false,
        isTraced: call.routed?.isTraced ?? false,
        ...(wishes.region !== undefined && { region: wishes.region }),
        ...(wishes.residency && { residency: wishes.residency }),
      },
    });
    return promise;
  };

  const isIdle = (replicaId: string) =>
    ![...running.values()].some((each) => each.replicaId === replicaId);

  emit({ type: "pools", pools });
  return {
    dispatch,
    ask: (modelSpec, call, attempt) =>
      askNearest(attempt, {
        modelSpec,
        call,
        pools: scheduler.status(clock.nowMs()).pools,
        devices: devicesOf?.(modelSpec.name, call.wishes.residency),
      }),
    expectedVersion: ({ name, version, versionLabel }, { wishes: { residency, isForwarded } }) =>
      scheduler.expectedVersion({ model: name, version, versionLabel, residency, isForwarded }),
    regionsOf: (model) => [
      ...new Set(pools.filter((pool) => pool.model === model).map(({ region }) => region)),
    ],
    setPools: (next) => {
      pools = next;
      emit({ type: "pools", pools });
    },
    status: () => scheduler.status(clock.nowMs()),
    expectedWaitMs: (model) => scheduler.expectedWaitMs(model, clock.nowMs()),
    drain: (replicaId) => {
      emit({ type: "drain", replicaId });
      return idle.waitUntil(() => isIdle(replicaId));
    },
    readmit: (replicaId) => emit({ type: "readmit", replicaId }),
    close: () => {
      isClosed = true;
      timer?.[Symbol.dispose]();
      const error = new NoReplicaError("the gateway is closing");
      for (const { controller } of running.values()) controller.abort(error);
      running.clear();
      for (const open of [...calls.values()]) open.settle({ error });
      idle.notify();
    },
  };
}
