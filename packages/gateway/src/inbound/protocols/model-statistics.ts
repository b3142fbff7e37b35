import type { ObservedEnd, Stage } from "@tensorgate/core";
import type { InForce } from "../access/access.ts";

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
  /** Counts a call that has ended, if its model is in force: a name that a caller gave may be any. */
  record(end: ObservedEnd): void;
  of(modelName: string): ModelCounts;
}

type MutableCounts = { readonly [Name in keyof ModelCounts]: { count: number; ms: number } };

function noCounts(): MutableCounts {
  const none = () => ({ count: 0, ms: 0 });
  return {
    success: none(),
    fail: none(),
    queue: none(),
    computeInput: none(),
    computeInfer: none(),
    computeOutput: none(),
    cacheHit: none(),
    cacheMiss: none(),
  };
}

const countByStage: Readonly<Partial<Record<Stage, keyof ModelCounts>>> = {
  queue: "queue",
  decode: "computeInput",
  preprocess: "computeInput",
  upstream: "computeInfer",
  post: "computeOutput",
};

/** Counts the scoring calls of each model, as long as the gateway runs. */
export function createModelStatistics(inForce: { readonly current: InForce }): ModelStatistics {
  const byModel = new Map<string, MutableCounts>();
  return {
    record: ({ error, model, askedModel = "", durationMs, times }) => {
      if (error?.reason === "unknown-model") return;
      const entries = times?.entries() ?? [];
      let isScored = false;
      for (const { stage } of entries)
        if (stage === "upstream" || stage === "cache") isScored = true;
      // A call that asked of a model without scoring it has an answer, and neither of these stages.
      if (!error && !isScored) return;
      const { catalog } = inForce.current.tasks;
      // A replica may answer by another name than the one that it is configured under.
      const name = model && catalog.has(model.name) ? model.name : askedModel;
      if (!catalog.has(name)) return;
      const counts = byModel.get(name) ?? noCounts();
      byModel.set(name, counts);
      const calls = error ? counts.fail : counts.success;
      calls.count += 1;
      calls.ms += durationMs;
      for (const { stage, durationMs: ms, outcome } of entries) {
        const ofCache = outcome === "hit" ? "cacheHit" : "cacheMiss";
        const counted = stage === "cache" ? ofCache : countByStage[stage];
        if (!counted) continue;
        counts[counted].count += 1;
        counts[counted].ms += ms;
      }
    },
    of: (modelName) => byModel.get(modelName) ?? noCounts(),
  };
}
