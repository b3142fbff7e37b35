import {
  type CallContext,
  CallController,
  CancelledError,
  IdMap,
  NoReplicaError,
  type ResolvedRequest,
  type RoutingStep,
  type ScoreResponse,
  ScoringError,
} from "@tensorgate/core";
import { askNearest } from "./ask-nearest.ts";
import { attemptFailure } from "./attempt-failure.ts";
import { createConditions } from "./condition.ts";
import { errorOfRejected, rejectionError } from "./rejection-error.ts";
import type {
  AttemptOutcome,
  PendingCall,
  RoutedReplica,
  Router,
  RouterDeps,
  RunningAttempt,
} from "./router-api.ts";
import { addSteps } from "./routing-trace.ts";
import type {
  Arrival,
  ProbeResult,
  Reject,
  SchedulerCommand,
  SchedulerEvent,
  Send,
} from "./scheduler/events.ts";
import { createScheduler } from "./scheduler/scheduler.ts";
import {
  createSharedScheduler,
  type SharedScheduler,
  type SharingCommand,
  type SharingEvent,
} from "./sharing/shared-scheduler.ts";
import { createSharingPort } from "./sharing/slot-sharing.ts";

type RouterEvent = SchedulerEvent | SharingEvent;

/** Creates a router, which runs a scheduler with a clock, attempts, probes and the callers' signals. */
export function createRouter<Replica extends RoutedReplica>(
  deps: RouterDeps<Replica>,
): Router<Replica> {
  const { replicas, probe, onChange, aliasOf, devicesOf, clock } = deps;
  // A gateway that has its replicas for itself gets no events of sharing.
  const scheduler: Omit<SharedScheduler, "role"> = deps.sharing
    ? createSharedScheduler(deps.settings)
    : createScheduler(deps.settings);
  const calls = new IdMap<PendingCall>();
  const running = new IdMap<RunningAttempt>();
  const idle = createConditions();
  /** Events that occur while commands are carried out, as when `onChange` changes the pools. */
  const events: RouterEvent[] = [];
  let timer: Disposable | undefined;
  let nextId = 0;
  let isDispatching = false;
  let isClosed = false;

  function emit(event: RouterEvent): void {
    if (isClosed) return;
    if (isDispatching || events.length > 0) events.push(event);
    if (isDispatching) return;
    isDispatching = true;
    try {
      // Some are left if carrying out a command has thrown.
      let next: RouterEvent | undefined = events.shift() ?? event;
      for (; next && !isClosed; next = events.shift()) {
        const nowMs = clock.nowMs();
        for (const command of scheduler.handle(next, nowMs)) carryOut(command, nowMs);
      }
    } finally {
      isDispatching = false;
    }
    if (idle.waiting.size > 0) idle.notify();
  }

  function carryOut(command: SchedulerCommand | SharingCommand, nowMs: number): void {
    switch (command.type) {
      case "send": {
        const open = calls.get(command.id);
        if (open) void run(command, open, nowMs);
        break;
      }
      case "settle": {
        const open = calls.get(command.id);
        if (!open) break;
        if (open.call.routingTrace) addTrace(open, command.trace);
        for (const outcome of open.outcomes) {
          if (outcome.attemptId === command.attemptId) settle(open, outcome);
        }
        break;
      }
      case "reject":
        reject(command);
        break;
      case "leave":
        addTrace(calls.get(command.id), command.trace);
        break;
      case "abandon":
        abandon(command.attemptId);
        break;
      case "probe":
        void probeNow(command.model, command.replicaId);
        break;
      case "state-change":
        onChange(command.change);
        break;
      case "wake":
        timer?.[Symbol.dispose]();
        timer = clock.setTimer(Math.max(0, command.atMs - nowMs), () => {
          timer = undefined;
          emit({ type: "tick" });
        });
        break;
      default:
        sharing?.carryOut(command);
    }
  }

  async function run(send: Send, open: PendingCall, startedMs: number): Promise<void> {
    const { attemptId, replicaId } = send;
    const { call } = open;
    const controller = new CallController();
    running.set(attemptId, { call, replicaId, controller });
    // One of several attempts may go on when another has answered.
    open.attemptCount += 1;
    if (open.attemptCount > 1 && call.requestBytes) call.requestBytes.mayBeRead = true;
    call.times.add("queue", send.waitedMs);
    const observed = call.observer?.attempt(send);
    const replica = replicas.byId.get(replicaId);
    let outcome: AttemptOutcome;
    try {
      if (!replica) throw new RangeError(`there is no replica ${replicaId}`);
      const traceparent = observed?.traceparent ?? call.traceparent;
      const attempt = { ...call, signal: controller.signal, traceparent };
      const response = await replica.score(open.request, attempt);
      outcome = { attemptId, response: { ...response, region: send.region } };
    } catch (thrown) {
      outcome = { attemptId, error: ScoringError.from(thrown) };
    }
    const durationMs = clock.nowMs() - startedMs;
    observed?.end(durationMs, outcome.error);
    // The result of an abandoned attempt no longer counts.
    if (!running.delete(attemptId)) return;
    call.times.add("upstream", durationMs);
    // Most have one, and a list that grows begins with room for many.
    if (open.outcomes.length === 0) open.outcomes = [outcome];
    else open.outcomes.push(outcome);
    const failure = outcome.error && attemptFailure(outcome.error);
    if (failure) return emit({ type: "failed", attemptId, failure });
    const expectedWaitMs = replica?.expectedWaitMs?.(send.model);
    const roundTripMs = replica?.roundTripMs();
    const version = outcome.response?.model.version;
    emit({ type: "answered", attemptId, version, expectedWaitMs, roundTripMs });
  }

  /** Cancels an attempt: another one answered first, or the caller has left. */
  function abandon(attemptId: number): void {
    const attempt = running.get(attemptId);
    if (!attempt) return;
    running.delete(attemptId);
    const { aborted, reason } = attempt.call.signal;
    const overtaken = new CancelledError("another attempt answered first");
    attempt.controller.abort(aborted ? reason : overtaken);
  }

  function reject(command: Reject): void {
    const open = calls.get(command.id);
    if (!open) return;
    addTrace(open, command.trace);
    const { request, call, outcomes } = open;
    const error = errorOfRejected(command, {
      request,
      call,
      lastError: outcomes.find(({ attemptId }) => attemptId === command.attemptId)?.error,
      devices: devicesOf?.(request.modelSpec.name, call.hints.residency),
      scheduler,
      nowMs: clock.nowMs(),
    });
    settle(open, { error });
  }

  function settle(open: PendingCall, { response, error }: Omit<AttemptOutcome, "attemptId">): void {
    if (!calls.delete(open.id)) return;
    open.call.signal.removeEventListener("abort", open.onAbort);
    if (response) open.resolve(response);
    else open.reject(error);
  }

  function addTrace(open: PendingCall | undefined, steps: readonly RoutingStep[] = []): void {
    if (!open?.call.routingTrace) return;
    addSteps(open.call, steps, aliasOf);
    // Only another gateway uses it.
    if (!open.call.hints.isForwarded) return;
    const { name } = open.request.modelSpec;
    open.call.routingTrace.expectedWaitMs = scheduler.expectedWaitMs(name, clock.nowMs());
  }

  async function probeNow(model: string, replicaId: string): Promise<void> {
    const result = await probe(model, replicaId).catch((): ProbeResult => ({ finding: "lost" }));
    // The replica may have been removed meanwhile.
    const replica = replicas.byId.get(replicaId);
    const roundTripMs = replica?.roundTripMs();
    const expectedWaitMs = replica?.expectedWaitMs?.(model);
    emit({ ...result, type: "probed", model, replicaId, roundTripMs, expectedWaitMs });
  }

  const setPools = () => emit({ type: "pools", pools: replicas.pools });
  replicas.onChange(setPools);
  setPools();
  const sharing = deps.sharing && createSharingPort(deps.sharing, { emit, clock });

  return {
    score: (request, call) => {
      const { signal } = call;
      if (isClosed) return Promise.reject(new NoReplicaError("the gateway is closing"));
      if (signal.aborted) return Promise.reject(signal.reason);
      nextId += 1;
      const id = nextId;
      const { promise, resolve, reject } = Promise.withResolvers<ScoreResponse>();
      const onAbort = () => {
        emit({ type: "cancelled", id });
        settle(open, { error: ScoringError.from(signal.reason) });
      };
      signal.addEventListener("abort", onAbort, { once: true });
      const outcomes: AttemptOutcome[] = [];
      const open = { id, request, call, outcomes, attemptCount: 0, resolve, reject, onAbort };
      calls.set(id, open);
      emit({ type: "arrival", request: arrivalOf(id, request, call) });
      return promise;
    },
    assertCapacity: (request, call) => {
      const { name: model } = request.model;
      const nowMs = clock.nowMs();
      if (scheduler.hasRoom(model, call.hints, nowMs)) return;
      const retryAfterMs = scheduler.shedEarly(arrivalOf(0, request, call), nowMs);
      if (retryAfterMs === undefined) return;
      throw rejectionError("overloaded", { model, retryAfterMs });
    },
    ask: (question) => (modelSpec, call) =>
      askNearest((id) => replicas.byId.get(id), {
        ask: question,
        modelSpec,
        call,
        pools: scheduler.status(clock.nowMs()).pools,
        devices: devicesOf?.(modelSpec.name, call.hints.residency),
      }),
    expectedVersion: ({ name, version, versionLabel }, { hints: { residency, isForwarded } }) =>
      scheduler.expectedVersion({ model: name, version, versionLabel, residency, isForwarded }),
    regionsOf: (model) => {
      const ofModel = replicas.pools.filter((pool) => pool.model === model);
      return [...new Set(ofModel.map(({ region }) => region))];
    },
    status: () => scheduler.status(clock.nowMs()),
    canServeAll: scheduler.canServeAll,
    drain: (replicaId) => {
      emit({ type: "drain", replicaId });
      return idle.waitUntil(() =>
        [...running.values()].every((each) => each.replicaId !== replicaId),
      );
    },
    readmit: (replicaId) => emit({ type: "readmit", replicaId }),
    close: () => {
      isClosed = true;
      timer?.[Symbol.dispose]();
      sharing?.close();
      const error = new NoReplicaError("the gateway is closing");
      for (const { controller } of running.values()) controller.abort(error);
      running.clear();
      for (const open of [...calls.values()]) settle(open, { error });
      idle.notify();
    },
  };
}

/** What the scheduler needs to know of a call, which may be known before its body. */
function arrivalOf(
  id: number,
  { model, modelSpec }: Pick<ResolvedRequest, "model" | "modelSpec">,
  { deadline, hints, routingTrace }: CallContext,
): Arrival {
  return {
    id,
    model: model.name,
    version: modelSpec.version,
    versionLabel: modelSpec.versionLabel,
    priority: hints.priority ?? "normal",
    deadlineMs: deadline.atMs,
    isIdempotent: model.isIdempotent,
    mayHedge: model.mayHedge,
    isForwarded: hints.isForwarded ?? false,
    isTraced: routingTrace?.isTraced ?? false,
    region: hints.region,
    residency: hints.residency,
  };
}
