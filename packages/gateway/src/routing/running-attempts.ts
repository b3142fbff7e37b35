import { type CallContext, CancelledError, type Clock, ScoringError } from "@tensorgate/core";
import type { Attempt } from "./attempt.ts";
import type { Send } from "./scheduler/events.ts";

/** A call, and what is to be done for it at a replica. */
export interface AttemptedCall {
  readonly call: CallContext;
  readonly attempt: Attempt<unknown>;
}

/** What an attempt ended with. */
export type Outcome =
  | { readonly answer: unknown; readonly region: string }
  | { readonly error: ScoringError };

/** Attempts that are under way, those too that are only waited for to learn when their replica is free. */
export interface RunningAttempts {
  /**
   * Never rejects.
   *
   * @returns undefined if it was abandoned: it has no say any more
   */
  make(send: Send, of: AttemptedCall): Promise<Outcome | undefined>;
  /** Somebody else was quicker, or the caller has gone. */
  abandon(attemptId: number): void;
  abandonAll(reason: ScoringError): void;
  isAnyAt(replicaId: string): boolean;
}

interface Running {
  readonly call: CallContext;
  readonly replicaId: string;
  readonly controller: AbortController;
}

export function runningAttempts(clock: Clock): RunningAttempts {
  const running = new Map<number, Running>();

  async function outcomeOf(
    { model, region, replicaId }: Send,
    { call, attempt }: AttemptedCall,
    signal: AbortSignal,
  ): Promise<Outcome> {
    const watched = call.watch?.attempt({ model, region, replicaId });
    const { traceparent = call.traceparent } = watched ?? {};
    const attemptCall = { ...call, signal, ...(traceparent && { traceparent }) };
    try {
      const answer = await attempt(replicaId, attemptCall);
      watched?.end();
      return { answer, region };
    } catch (thrown) {
      const error = ScoringError.from(thrown);
      watched?.end(error);
      return { error };
    }
  }

  return {
    make: async (send, of) => {
      const { attemptId, replicaId, waitedMs } = send;
      const { call } = of;
      const controller = new AbortController();
      running.set(attemptId, { call, replicaId, controller });
      call.times.add("queue", waitedMs);
      const startedMs = clock.nowMs();
      const outcome = await outcomeOf(send, of, controller.signal);
      if (!running.delete(attemptId)) return undefined;
      call.times.add("upstream", clock.nowMs() - startedMs);
      return outcome;
    },
    abandon: (attemptId) => {
      const attempt = running.get(attemptId);
      if (!attempt) return;
      running.delete(attemptId);
      const { signal } = attempt.call;
      const reason = signal.aborted ? signal.reason : new CancelledError("another was quicker");
      attempt.controller.abort(reason);
    },
    abandonAll: (reason) => {
      for (const { controller } of running.values()) controller.abort(reason);
      running.clear();
    },
    isAnyAt: (replicaId) => [...running.values()].some((each) => each.replicaId === replicaId),
  };
}
