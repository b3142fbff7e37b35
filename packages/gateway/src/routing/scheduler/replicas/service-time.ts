/** How long a replica takes for one request, learnt from what it took. */
export interface ServiceTime {
  /** The middle one of the last requests, in milliseconds. */
  readonly usualMs: number;
  /** Requests that it was learnt from. */
  readonly count: number;
  /** Moving average, in milliseconds: what a queue is worked off with. */
  readonly meanMs: number;
  /** How far the last requests were from the usual time: the middle distance, in milliseconds. */
  readonly deviationMs: number;
  observe(durationMs: number): void;
}

/** Enough for a median that outliers do not move, few enough to follow a replica that changes. */
const remembered = 15;

/** Weight of the newest request in the average. */
const newest = 0.05;

/**
 * The usual time is the median of the last requests: a mean would be drawn up by the few that take ten times as long,
 * and a request that is timed to arrive when the one before ends would then come late every time.
 *
 * @param initialMs - believed until the first request ended
 */
export function serviceTime(initialMs: number): ServiceTime {
  const latest: number[] = [];
  let [usualMs, meanMs, deviationMs, count] = [initialMs, initialMs, 0, 0];
  return {
    get usualMs() {
      return usualMs;
    },
    get count() {
      return count;
    },
    get meanMs() {
      return meanMs;
    },
    get deviationMs() {
      return deviationMs;
    },
    observe: (durationMs) => {
      count += 1;
      meanMs = latest.length === 0 ? durationMs : meanMs + newest * (durationMs - meanMs);
      latest.push(durationMs);
      if (latest.length > remembered) latest.shift();
      usualMs = median(latest);
      deviationMs = median(latest.map((each) => Math.abs(each - usualMs)));
    },
  };
}

/** @returns NaN of nothing; the upper one of two in the middle */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}
