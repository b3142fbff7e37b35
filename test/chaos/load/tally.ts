import type { CallEnd } from "./caller.ts";
import type { Latencies, LoadSummary, Span } from "./commands.ts";

/** Counts how requests ended. Latencies count from when a request should have left. */
export interface Tally {
  /** @param lateMs - how long after its time a request left */
  left(lateMs: number): void;
  ended(requestId: string, intendedAtMs: number, how: { end: CallEnd; nowMs: number }): void;
  readonly endedCount: number;
  summary(sent: number): LoadSummary;
  latencies(span: Span): Latencies;
  readonly acknowledged: readonly string[];
}

export function openTally(): Tally {
  const intendedAtMs: number[] = [];
  const latencyMs: number[] = [];
  const lateMs: number[] = [];
  const acknowledged: string[] = [];
  const failures: Record<string, number> = {};
  const regions: Record<string, number> = {};
  let failed = 0;
  let sentElsewhere = 0;
  let firstAtMs = Number.POSITIVE_INFINITY;
  let lastAtMs = 0;

  const latencies = ({ fromMs, toMs }: Span): Latencies => {
    const within = latencyMs.filter((_, index) => {
      const atMs = intendedAtMs[index] ?? 0;
      return atMs >= fromMs && atMs < toMs;
    });
    const [p50Ms = 0, p99Ms = 0, maxMs = 0] = quantiles(within, [0.5, 0.99, 1]);
    return { answered: within.length, p50Ms, p99Ms, maxMs };
  };

  return {
    get endedCount() {
      return acknowledged.length + failed;
    },
    acknowledged,
    latencies,
    left: (late) => void lateMs.push(late),
    ended: (requestId, intended, { end, nowMs }) => {
      firstAtMs = Math.min(firstAtMs, intended);
      lastAtMs = Math.max(lastAtMs, nowMs);
      if (end.sentElsewhere > 0) sentElsewhere += 1;
      if (end.kind === "failed") {
        failed += 1;
        failures[end.reason] = (failures[end.reason] ?? 0) + 1;
        return;
      }
      acknowledged.push(requestId);
      intendedAtMs.push(intended);
      latencyMs.push(nowMs - intended);
      if (end.region !== "") regions[end.region] = (regions[end.region] ?? 0) + 1;
    },
    summary: (sent) => ({
      sent,
      failed,
      failures,
      sentElsewhere,
      regions,
      ...latencies({ fromMs: 0, toMs: Number.POSITIVE_INFINITY }),
      lateP99Ms: quantiles(lateMs, [0.99])[0] ?? 0,
      durationMs: rounded(lastAtMs - firstAtMs),
      endedAtMs: lastAtMs,
    }),
  };
}

/** The values below which such shares of all lie; nothing of nothing. */
function quantiles(values: readonly number[], shares: readonly number[]): readonly number[] {
  const sorted = values.toSorted((a, b) => a - b);
  const last = sorted.length - 1;
  return shares.map((share) =>
    rounded(sorted[Math.min(last, Math.floor(sorted.length * share))] ?? 0),
  );
}

function rounded(valueMs: number): number {
  return Math.round(valueMs * 100) / 100;
}
