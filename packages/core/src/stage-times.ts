import type { CacheOutcome } from "./cache-outcome.ts";

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

/** What one stage of a call took so far. */
export interface StageTime {
  readonly stage: Stage;
  readonly durationMs: number;
  /** Where the answers came from. Of several pictures of one call the one that cost most is told. */
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

export function stageTimes(): StageTimes {
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
    entries: () => stages.flatMap((stage) => times.get(stage) ?? []),
  };
}
