/** Stages that `Server-Timing` names, in the order of a request. */
export const stages = [
  "admit",
  "read",
  "decode",
  "preprocess",
  "queue",
  "upstream",
  "post",
] as const;

export type Stage = (typeof stages)[number];

/** How long each stage of one call took so far, in milliseconds. */
export interface StageTimes {
  /** Adds to what `stage` has taken; several pictures of one call add up. */
  add(stage: Stage, durationMs: number): void;
  /** Stages that took part, in the order of a request. */
  entries(): readonly (readonly [Stage, number])[];
}

export function stageTimes(): StageTimes {
  const durations = new Map<Stage, number>();
  return {
    add: (stage, durationMs) => {
      durations.set(stage, (durations.get(stage) ?? 0) + durationMs);
    },
    entries: () =>
      stages.flatMap((stage) => {
        const durationMs = durations.get(stage);
        return durationMs === undefined ? [] : [[stage, durationMs] as const];
      }),
  };
}
