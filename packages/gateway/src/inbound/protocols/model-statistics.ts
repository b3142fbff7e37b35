import type {
  AttemptObserver,
  AttemptTarget,
  CacheOutcome,
  CallObserver,
  ObserveCall,
  ObservedEnd,
  Stage,
} from "@tensorgate/core";

/** How often something was done since the gateway started, and how long it took in total. */
export interface Duration {
  readonly count: number;
  readonly ms: number;
}

/** What has become of the calls of a model, whatever protocol they came by. */
export interface ModelCounts {
  readonly success: Duration;
  readonly fail: Duration;
  /** Waiting for a replica. */
  readonly queue: Duration;
  /** Pictures to tensors. */
  readonly computeInput: Duration;
  /** The replica and the way to it. */
  readonly computeInfer: Duration;
  /** Outputs to results. */
  readonly computeOutput: Duration;
  readonly cacheHit: Duration;
  readonly cacheMiss: Duration;
}

export interface ModelStatistics {
  /** Observes calls, and passes on what it sees. */
  readonly observeCall: ObserveCall;
  of(modelName: string): ModelCounts;
}

export interface ModelStatisticsDeps {
  readonly observeCall: ObserveCall;
  /** Whether a name that a caller gave is that of a model: others are not counted. */
  readonly isModel: (name: string) => boolean;
}

const none: Duration = { count: 0, ms: 0 };

const noCounts: ModelCounts = {
  success: none,
  fail: none,
  queue: none,
  computeInput: none,
  computeInfer: none,
  computeOutput: none,
  cacheHit: none,
  cacheMiss: none,
};

const countByStage: Readonly<Partial<Record<Stage, keyof ModelCounts>>> = {
  queue: "queue",
  decode: "computeInput",
  preprocess: "computeInput",
  upstream: "computeInfer",
  post: "computeOutput",
};

/** Counts the scoring calls of each model, as long as the gateway runs. */
export function createModelStatistics(deps: ModelStatisticsDeps): ModelStatistics {
  const byModel = new Map<string, ModelCounts>();

  function record(end: ObservedEnd): void {
    const { error, model, askedModel = "" } = end;
    if (error?.reason === "unknown-model") return;
    // A call that asked of a model without scoring it has an answer, and no stage of these.
    const isScored = end.times?.entries().some(({ stage }) => stage in scoringStages) ?? false;
    if (!error && !isScored) return;
    // A replica may answer by another name than the one that it is configured under.
    const name = model && deps.isModel(model.name) ? model.name : askedModel;
    if (!deps.isModel(name)) return;
    byModel.set(name, added(byModel.get(name) ?? noCounts, end));
  }

  return {
    observeCall: (start) => {
      const observer = deps.observeCall(start);
      return new CountedCall(observer, record);
    },
    of: (modelName) => byModel.get(modelName) ?? noCounts,
  };
}

/** Passes on what it sees, and has the end of the call recorded. */
class CountedCall implements CallObserver {
  readonly #observer: CallObserver;
  readonly #record: (end: ObservedEnd) => void;

  constructor(observer: CallObserver, record: (end: ObservedEnd) => void) {
    this.#observer = observer;
    this.#record = record;
  }

  attempt(target: AttemptTarget): AttemptObserver {
    return this.#observer.attempt(target);
  }

  cached(model: string, outcome: CacheOutcome): void {
    this.#observer.cached?.(model, outcome);
  }

  end(end: ObservedEnd): void {
    this.#record(end);
    this.#observer.end(end);
  }
}

const scoringStages: Readonly<Partial<Record<Stage, true>>> = { upstream: true, cache: true };

function added(before: ModelCounts, { error, durationMs, times }: ObservedEnd): ModelCounts {
  const counts: { -readonly [Name in keyof ModelCounts]: Duration } = { ...before };
  const add = (name: keyof ModelCounts, ms: number, count = 1): void => {
    counts[name] = { count: before[name].count + count, ms: counts[name].ms + ms };
  };
  add(error ? "fail" : "success", durationMs);
  for (const { stage, durationMs: ms, outcome } of times?.entries() ?? []) {
    const name = countByStage[stage];
    if (name) add(name, ms);
    else if (stage === "cache") add(outcome === "hit" ? "cacheHit" : "cacheMiss", ms);
  }
  return counts;
}
