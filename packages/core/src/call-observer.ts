import type { AnsweringModel } from "./model-spec.ts";
import type { ScoringError } from "./scoring-error.ts";

/** Protocols that a call can come by. */
export type Protocol = "rest" | "tensorflow-serving-rest" | "connect" | "grpc" | "grpc-web";

/** What is known of a call when it begins. */
export interface ObservedStart {
  readonly protocol: Protocol;
  /** Operation, without the parts that vary: `POST /v1/classify/{model}`. */
  readonly operation: string;
  readonly requestId: string;
  /** The caller's trace, as W3C writes it. */
  readonly traceparent: string | undefined;
}

/** What is known of a call when it has ended. */
export interface ObservedEnd {
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

/** Observes one attempt of a call. */
export interface AttemptObserver {
  /** Trace context for the replica; absent if the call is not traced. */
  readonly traceparent?: string;
  /** @param error - absent if it was answered */
  end(error?: ScoringError): void;
}

/** Observes one call, from its headers to its reply. */
export interface CallObserver {
  attempt(target: AttemptTarget): AttemptObserver;
  /** Called for each answer of a model whose answers are cached. */
  cached?(model: string, outcome: CacheOutcome): void;
  end(end: ObservedEnd): void;
}

/** Begins to observe a call; `end` must follow. */
export type ObserveCall = (start: ObservedStart) => CallObserver;

/** Stages that `Server-Timing` names, in the order of a request. */
export const stages = [
  "admit",
  "read",
  "decode",
  "preprocess",
  "cache",
  "queue",
  "upstream",
  "post",
] as const;

export type Stage = (typeof stages)[number];

/** Where an answer came from: the cache, a replica, or another call that asked for the same at the same time. */
export type CacheOutcome = "hit" | "miss" | "coalesced";

/** What one stage of a call took so far. */
export interface StageTime {
  readonly stage: Stage;
  readonly durationMs: number;
  /** Where the answers came from: of several pictures of one call, that of the one that cost most. */
  readonly outcome?: CacheOutcome;
}

/** How long each stage of one call took so far. */
export interface StageTimes {
  /** Adds to what `stage` has taken, in milliseconds; several pictures of one call add up. */
  add(stage: Stage, durationMs: number, outcome?: CacheOutcome): void;
  /** Stages that took part, in the order of a request. */
  entries(): readonly StageTime[];
}

/** Cheapest first. */
const outcomes: readonly (CacheOutcome | undefined)[] = [undefined, "hit", "coalesced", "miss"];

/** Starts the stage times of one call. */
export function createStageTimes(): StageTimes {
  const times = new Map<Stage, StageTime>();
  return {
    add: (stage, durationMs, outcome) => {
      const before = times.get(stage);
      const rank = Math.max(outcomes.indexOf(before?.outcome), outcomes.indexOf(outcome));
      const costliest = outcomes[rank];
      times.set(stage, {
        stage,
        durationMs: (before?.durationMs ?? 0) + durationMs,
        ...(costliest && { outcome: costliest }),
      });
    },
    entries: () => {
      const entries: StageTime[] = [];
      for (const stage of stages) {
        const time = times.get(stage);
        if (time) entries.push(time);
      }
      return entries;
    },
  };
}
