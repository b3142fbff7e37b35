import type { Outcome } from "./outcome.ts";

/** What became of the attempts at one replica. Replaced, never mutated. */
export interface AttemptCounts {
  readonly answered: number;
  readonly failed: number;
  /** Moving average of the answered ones, in milliseconds; undefined before the first. */
  readonly latencyMs: number | undefined;
}

export const noAttempts: AttemptCounts = { answered: 0, failed: 0, latencyMs: undefined };

/** Weight of the newest attempt in the average. */
const newest = 0.2;

export function countsAfter(
  { answered, failed, latencyMs }: AttemptCounts,
  outcome: Outcome,
  durationMs: number,
): AttemptCounts {
  if (outcome === "failed" || outcome === "lost")
    return { answered, failed: failed + 1, latencyMs };
  if (outcome !== "answered") return { answered, failed, latencyMs };
  const average =
    latencyMs === undefined ? durationMs : latencyMs + newest * (durationMs - latencyMs);
  return { answered: answered + 1, failed, latencyMs: average };
}
