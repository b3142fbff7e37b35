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
export function createServiceTime(initialMs: number): ServiceTime {
  const latest: number[] = [];
  const learnt = {
    usualMs: initialMs,
    count: 0,
    meanMs: initialMs,
    deviationMs: 0,
    observe: (durationMs: number) => {
      learnt.count += 1;
      if (latest.length === 0) learnt.meanMs = durationMs;
      else learnt.meanMs += newest * (durationMs - learnt.meanMs);
      latest.push(durationMs);
      if (latest.length > remembered) latest.shift();
      const sorted = Float64Array.from(latest);
      learnt.usualMs = median(sorted);
      for (const [index, each] of latest.entries()) {
        sorted[index] = Math.abs(each - learnt.usualMs);
      }
      learnt.deviationMs = median(sorted);
    },
  };
  return learnt;
}

/**
 * Sorts `values`, and returns the one in the middle.
 *
 * @returns NaN of nothing; the upper one of two in the middle
 */
export function median(values: Float64Array): number {
  return values.sort()[values.length >> 1] ?? Number.NaN;
}

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
const minDurationMs = 0.01;
const bucketCount = 400;
/** So many durations after which each counts half. */
const halvedAfter = 20_000;

export function createLatencyHistogram(): LatencyHistogram {
  const buckets = new Float64Array(bucketCount);
  let total = 0;
  const histogram = {
    count: 0,
    observe: (durationMs: number) => {
      const duration = Math.max(durationMs, minDurationMs);
      const index = Math.ceil(Math.log(duration / minDurationMs) / growth);
      const bucket = Math.min(index, bucketCount - 1);
      buckets[bucket] = (buckets[bucket] ?? 0) + 1;
      total += 1;
      histogram.count += 1;
      if (histogram.count % halvedAfter !== 0) return;
      total = 0;
      for (let each = 0; each < bucketCount; each += 1) {
        buckets[each] = (buckets[each] ?? 0) / 2;
        total += buckets[each] ?? 0;
      }
    },
    quantileMs: (share: number) => {
      let above = (1 - share) * total;
      for (let bucket = bucketCount - 1; bucket >= 0; bucket -= 1) {
        above -= buckets[bucket] ?? 0;
        if (above < 0) return minDurationMs * Math.exp(growth * bucket);
      }
      return 0;
    },
  };
  return histogram;
}

/** How long the attempts at all replicas of a pool take: what each of them is judged by. */
export interface PeerLatency {
  /** The middle one of the last attempts, the way included, in milliseconds; NaN before the first. */
  readonly recentMs: number;
  /**
   * Learns what an attempt took, the way included, and what its replica took for it.
   *
   * @param usualMs - what the replica usually takes, in milliseconds
   * @returns whether the replica took far longer than its peers would have
   */
  observe(attemptMs: number, tookMs: number, usualMs: number): boolean;
  /**
   * How long an attempt may take before its replica is suspected, in milliseconds; Infinity where too little is known.
   *
   * @param ownMs - the time that counts at least for the replica, in milliseconds
   */
  timeoutMs(ownMs: number): number;
}

/** Replies of all replicas by which a single one is judged: few, so that a pool that slows down is noticed. */
const recentCount = 9;
/** So many replies make a tail. */
const minReplies = 20;
const slowFactor = 3;
/** Below this nothing is called slow: a busy machine has such gaps, in milliseconds. */
const slowSlackMs = 2;

export function createPeerLatency(): PeerLatency {
  const histogram = createLatencyHistogram();
  const recent: number[] = [];
  let known = { count: 0, tailMs: 0, medianMs: 0 };
  const peers = {
    recentMs: Number.NaN,
    observe: (attemptMs: number, tookMs: number, usualMs: number) => {
      const beforeMs = peers.recentMs;
      histogram.observe(attemptMs);
      recent.push(attemptMs);
      if (recent.length > recentCount) recent.shift();
      peers.recentMs = median(Float64Array.from(recent));
      if (histogram.count < minReplies) return false;
      return tookMs > slowFactor * Math.max(beforeMs, peers.recentMs, usualMs) + slowSlackMs;
    },
    timeoutMs: (ownMs: number) => {
      const { count } = histogram;
      if (count < minReplies) return Number.POSITIVE_INFINITY;
      // Reading the histogram costs more than a request may: it changes slowly.
      if (count - known.count >= 20 || count < 100) {
        const tailMs = histogram.quantileMs(0.999);
        known = { count, tailMs, medianMs: histogram.quantileMs(0.5) };
      }
      const slowness = Math.max(1, peers.recentMs / known.medianMs);
      return Math.max(ownMs, 1.5 * known.tailMs * slowness);
    },
  };
  return peers;
}
