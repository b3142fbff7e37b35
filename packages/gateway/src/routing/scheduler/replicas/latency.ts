/** Durations counted in buckets whose bounds grow by a twentieth, the old ones forgotten little by little. */
export interface LatencyHistogram {
  /** Durations counted so far, the forgotten ones too. */
  readonly count: number;
  observe(durationMs: number): void;
  /**
   * @param share - 0..1
   * @returns a duration that this share of all does not exceed, in milliseconds, at most a twentieth too long; 0 of
   *   nothing
   */
  quantileMs(share: number): number;
}

const growth = Math.log(1.05);
/** Durations below it, in milliseconds, are as good as none. */
const leastMs = 0.01;
const bucketCount = 400;
/** So many durations after which each counts half. */
const halvedAfter = 20_000;

export function latencyHistogram(): LatencyHistogram {
  const buckets = new Float64Array(bucketCount);
  let [total, count] = [0, 0];
  return {
    get count() {
      return count;
    },
    observe: (durationMs) => {
      const index = Math.ceil(Math.log(Math.max(durationMs, leastMs) / leastMs) / growth);
      const bucket = Math.min(index, bucketCount - 1);
      buckets[bucket] = (buckets[bucket] ?? 0) + 1;
      total += 1;
      count += 1;
      if (count % halvedAfter !== 0) return;
      total = 0;
      for (let each = 0; each < bucketCount; each += 1) {
        buckets[each] = (buckets[each] ?? 0) / 2;
        total += buckets[each] ?? 0;
      }
    },
    quantileMs: (share) => {
      let above = (1 - share) * total;
      for (let bucket = bucketCount - 1; bucket >= 0; bucket -= 1) {
        above -= buckets[bucket] ?? 0;
        if (above < 0) return leastMs * Math.exp(growth * bucket);
      }
      return 0;
    },
  };
}
