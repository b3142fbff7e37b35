import type { CallContext, ResolvedRequest, ScoreResponse, ScoringError } from "@tensorgate/core";

/** How an attempt ended: with a response or an error. */
export interface AttemptOutcome {
  readonly attemptId: number;
  readonly response?: ScoreResponse;
  readonly error?: ScoringError;
}

/** A call that has not ended. */
export interface PendingCall {
  readonly request: ResolvedRequest;
  readonly call: CallContext;
  /** Results of its attempts, until the scheduler decides which one counts. */
  readonly outcomes: AttemptOutcome[];
  attemptCount: number;
  readonly resolve: (response: ScoreResponse) => void;
  readonly reject: (error: unknown) => void;
  /** Listens to the signal of the call. */
  readonly onAbort: () => void;
}

/** An attempt in flight, orphaned or not. */
export interface RunningAttempt {
  readonly call: CallContext;
  readonly replicaId: string;
  readonly controller: AbortController;
}
