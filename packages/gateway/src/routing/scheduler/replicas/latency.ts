/** The last values, in order of their size too: their median costs no sorting. */
export class RecentValues {
  readonly #latest: Float64Array;
  readonly #sorted: Float64Array;
  #added = 0;

  /** @param size - how many values are remembered; an integer >= 1 */
  constructor(size: number) {
    this.#latest = new Float64Array(size);
    this.#sorted = new Float64Array(size);
  }

  /** Adds a value, in place of the oldest one. @returns the median; the upper one of two in the middle */
  add(value: number): number {
    const latest = this.#latest;
    const sorted = this.#sorted;
    const place = this.#added % latest.length;
    const oldest = this.#added < latest.length ? undefined : latest[place];
    const last = Math.min(this.#added, latest.length - 1);
    // The gap moves from where the oldest value was, or from the end, to where the new one belongs.
    let gap = oldest === undefined ? last : 0;
    while (gap < last && sorted[gap] !== oldest) gap += 1;
    for (; gap > 0 && (sorted[gap - 1] as number) > value; gap -= 1) {
      sorted[gap] = sorted[gap - 1] as number;
    }
    for (; gap < last && (sorted[gap + 1] as number) < value; gap += 1) {
      sorted[gap] = sorted[gap + 1] as number;
    }
    sorted[gap] = value;
    latest[place] = value;
    this.#added += 1;
    return sorted[(last + 1) >> 1] as number;
  }

  /** Returns the median distance from the median; 0 before the first value. */
  medianDeviation(): number {
    const sorted = this.#sorted;
    const count = Math.min(this.#added, sorted.length);
    const middle = count >> 1;
    const median = sorted[middle] as number;
    let deviation = 0;
    // The nearest values are next to the median, on both sides.
    let [below, above] = [middle - 1, middle];
    for (let rank = 0; rank <= middle && count > 0; rank += 1) {
      const lower = below < 0 ? Number.POSITIVE_INFINITY : median - (sorted[below] as number);
      const upper = above < count ? (sorted[above] as number) - median : Number.POSITIVE_INFINITY;
      deviation = Math.min(lower, upper);
      if (lower < upper) below -= 1;
      else above += 1;
    }
    return deviation;
  }
}

/** Enough for a median that outliers do not move, few enough to follow a replica that changes. */
const remembered = 15;
/** Weight of the newest request in the average. */
const newest = 0.05;

/**
 * Service time of a replica, measured by its replies. It is a median: a few requests that take ten times as long would
 * raise a mean, and a request that is timed to arrive when the one before it ends would then arrive late every time.
 */
export class ServiceTime {
  /** Median of the last requests, in milliseconds. */
  usualMs: number;
  /** Requests measured so far. */
  count = 0;
  /** Moving average, in milliseconds, which decides how fast a queue drains. */
  meanMs: number;
  readonly #recent = new RecentValues(remembered);

  /** @param initialMs - value until the first request has ended */
  constructor(initialMs: number) {
    this.usualMs = initialMs;
    this.meanMs = initialMs;
  }

  observe(durationMs: number): void {
    // What a faulty gateway reports would stay: NaN has no place in an order.
    if (Number.isNaN(durationMs)) return;
    this.count += 1;
    if (this.count === 1) this.meanMs = durationMs;
    else this.meanMs += newest * (durationMs - this.meanMs);
    this.usualMs = this.#recent.add(durationMs);
  }

  /** Returns the median absolute deviation of the last requests, in milliseconds. */
  deviationMs(): number {
    return this.#recent.medianDeviation();
  }
}

/** A histogram of durations in buckets that grow by 5 %, with exponential decay. */
export interface LatencyHistogram {
  /** Durations counted so far, without decay. */
  readonly count: number;
  observe(durationMs: number): void;
  /**
   * @param share - 0..1
   * @returns a duration that this share of all does not exceed, in milliseconds, at most 5 % too long; 0 before the first
   */
  quantileMs(share: number): number;
}

const growth = Math.log(1.05);
/** Shorter durations count as this one, in milliseconds. */
const minDurationMs = 0.01;
const bucketCount = 400;
/** Counts are halved after this many durations. */
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

/** Latency of the attempts at all replicas of a pool, which each replica is compared with. */
export interface PeerLatency {
  /** Median of the last attempts, round trip included, in milliseconds; NaN before the first. */
  readonly recentMs: number;
  /**
   * Records an attempt: its latency, round trip included, and the time that its replica took.
   *
   * @param usualMs - median service time of the replica, in milliseconds
   * @returns whether the replica was far slower than its peers
   */
  observe(attemptMs: number, tookMs: number, usualMs: number): boolean;
  /**
   * Returns how long an attempt may take before its replica is suspected, in milliseconds; Infinity before enough replies.
   *
   * @param ownMs - minimum for the replica, in milliseconds
   */
  timeoutMs(ownMs: number): number;
}

/** Replies of all replicas that one is compared with: few, so that a pool that slows down as a whole is noticed. */
const recentCount = 9;
/** Replies after which the tail counts as known. */
const minReplies = 20;
const slowFactor = 3;
/** Smaller differences are not slow, in milliseconds: a busy machine has such gaps. */
const slowSlackMs = 2;

/** Whether a request took far longer than others, or than usual. */
export function isFarAbove(tookMs: number, usualMs: number): boolean {
  return tookMs > slowFactor * usualMs + slowSlackMs;
}

export function createPeerLatency(): PeerLatency {
  const histogram = createLatencyHistogram();
  const recent = new RecentValues(recentCount);
  let known = { count: 0, tailMs: 0, medianMs: 0 };
  const peers = {
    recentMs: Number.NaN,
    observe: (attemptMs: number, tookMs: number, usualMs: number) => {
      const beforeMs = peers.recentMs;
      peers.recentMs = recent.add(attemptMs);
      histogram.observe(attemptMs);
      if (histogram.count < minReplies) return false;
      return isFarAbove(tookMs, Math.max(beforeMs, peers.recentMs, usualMs));
    },
    timeoutMs: (ownMs: number) => {
      const { count } = histogram;
      if (count < minReplies) return Number.POSITIVE_INFINITY;
      // Reading the histogram is too costly for each request, and it changes slowly.
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

/**
 * How late the gateway itself handles events, because its processor is busy. Whatever a reply waited for meanwhile must
 * not be held against the replica.
 */
export interface OwnLag {
  /** When the next tick is due, in milliseconds; Infinity while none was asked for. Set by who asks for one. */
  dueMs: number;
  /** Records that the tick is handled now. */
  tick(nowMs: number): void;
  /** Returns the mean of late, in milliseconds, or by how much the tick that is due is late if that is more. */
  ms(nowMs: number): number;
}

/** A timer of Node is late by as much on an idle machine, in milliseconds. */
const timerSlackMs = 1;
/** Time constant of the mean, in milliseconds: while requests are in flight there is a tick every 10 ms, if it comes in time. */
const constantMs = 100;
/** Age after which a measurement counts for nothing, in milliseconds. */
const maxAgeMs = 250;

export function createOwnLag(): OwnLag {
  let meanMs = 0;
  let measuredMs = Number.NEGATIVE_INFINITY;

  const lag = {
    dueMs: Number.POSITIVE_INFINITY,
    tick: (nowMs: number) => {
      const weight = 1 - Math.exp((measuredMs - nowMs) / constantMs);
      meanMs += weight * (Math.max(0, nowMs - lag.dueMs - timerSlackMs) - meanMs);
      measuredMs = nowMs;
      lag.dueMs = Number.POSITIVE_INFINITY;
    },
    ms: (nowMs: number) =>
      // Never less than 0, nor is the mean.
      Math.max(nowMs - measuredMs > maxAgeMs ? 0 : meanMs, nowMs - lag.dueMs - timerSlackMs),
  };
  return lag;
}

/** The wait that a gateway of another region reports with its replies. */
export interface ReportedWait {
  /** In milliseconds; Infinity if it rejected a request as overloaded. */
  readonly waitMs: number;
  readonly reportedMs: number;
  /** By how much it grows in a millisecond, averaged once; negative while it becomes less. */
  readonly change: number;
  /** The same, averaged again: what goes up and down from report to report is no growth. */
  readonly growth: number;
}

/** Time constant of each mean, in milliseconds: a few replies at a usual rate. */
const growthConstantMs = 10;

/** @param before - what was reported last */
export function reportedWait(
  before: ReportedWait | undefined,
  waitMs: number,
  nowMs: number,
): ReportedWait {
  const changeMs = waitMs - (before?.waitMs ?? Number.NaN);
  if (!before || !Number.isFinite(changeMs)) {
    return { waitMs, reportedMs: nowMs, change: 0, growth: 0 };
  }
  const sinceMs = nowMs - before.reportedMs;
  const weight = 1 - Math.exp(-sinceMs / growthConstantMs);
  // Its limit where several replies come together.
  const perMs = sinceMs > 0 ? weight / sinceMs : 1 / growthConstantMs;
  const change = (1 - weight) * before.change + perMs * changeMs;
  return {
    waitMs,
    reportedMs: nowMs,
    change,
    growth: before.growth + weight * (change - before.growth),
  };
}

/** Returns what the wait will be after a time, in milliseconds, if it goes on as before. */
export function waitAfter({ waitMs, growth }: ReportedWait, aheadMs: number): number {
  return Math.max(0, waitMs + growth * aheadMs);
}
