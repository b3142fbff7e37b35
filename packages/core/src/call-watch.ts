import type { CacheOutcome } from "./cache-outcome.ts";
import type { AnsweringModel } from "./model-spec.ts";
import type { ScoringError } from "./scoring-error.ts";
import type { StageTimes } from "./stage-times.ts";

/** Protocols that a call can come by. */
export type Protocol = "rest" | "tensorflow-serving-rest" | "connect" | "grpc" | "grpc-web";

/** What is known of a call when it begins. */
export interface WatchedStart {
  readonly protocol: Protocol;
  /** What was asked for, without what varies: `POST /v1/classify/{model}`. */
  readonly operation: string;
  readonly requestId: string;
  /** The caller's trace, as W3C writes it. */
  readonly traceparent: string | undefined;
}

/** What is known of a call when it has ended. */
export interface WatchedEnd {
  /** Absent if it was answered. */
  readonly error?: ScoringError;
  /** Name that the caller gave; anything may be in it. */
  readonly askedModel: string | undefined;
  readonly model?: AnsweringModel;
  readonly region?: string;
  /** Name of the key that was used. */
  readonly caller?: string;
  readonly durationMs: number;
  readonly times?: StageTimes;
  readonly receivedBytes: number;
}

/** Where an attempt goes. */
export interface AttemptTarget {
  readonly model: string;
  readonly region: string;
  readonly replicaId: string;
}

export interface WatchedAttempt {
  /** Trace that the replica may join; absent where nobody traces. */
  readonly traceparent?: string;
  /** @param error - absent if it was answered */
  end(error?: ScoringError): void;
}

/** One call as telemetry sees it: from its headers to its reply. */
export interface CallWatch {
  attempt(target: AttemptTarget): WatchedAttempt;
  /** Told of each answer of a model whose answers are kept. */
  cached?(model: string, outcome: CacheOutcome): void;
  end(end: WatchedEnd): void;
}

/** Begins to watch a call; `end` must follow. */
export type WatchCall = (start: WatchedStart) => CallWatch;
