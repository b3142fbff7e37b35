/** Whether a pool gets more than it can do, as CoDel sees it: its queue does not become short for a while, and grows. */
export interface Overload {
  readonly isOn: boolean;
  /** A request came that could have gone to this pool, whether it was admitted or not. */
  offered(nowMs: number): void;
  /** A request was sent. */
  sent(nowMs: number): void;
  /** The gateway itself did nothing from `sinceMs` to `nowMs`: what came then was counted, and nothing could be sent. */
  paused(sinceMs: number, nowMs: number): void;
  /** @param isLong - whether the request that waits longest has waited for longer than the target */
  observe(isLong: boolean, nowMs: number): void;
}

/**
 * Length of the interval in which a queue that is no more than a burst gets short, in milliseconds.
 * @see Nichols and Jacobson, "Controlling Queue Delay" (RFC 8289), section 4.2
 */
export const codelIntervalMs = 100;

/** A long queue alone is no overload: at 95 % load it is long for hundreds of milliseconds. It must grow, too. */
const growing = 1.1;
/** Few calls differ by chance: so many standard deviations of what a Poisson process brings. */
const chance = 1.5;
const bucketMs = 50;
/** Half a second: arrivals of an eight-device pool vary by three per cent in it. */
const bucketCount = 10;
/** The last of them must tell the same: what came all at once, as after a pause of the gateway, is over by then. */
const lastBuckets = 2;
/** A rate is known only where something was seen of it: the gateway counts as running for a tenth of the time at least. */
const maxPausedShare = 0.9;

export function createOverload(): Overload {
  const offeredIn = new Float64Array(bucketCount);
  const sentIn = new Float64Array(bucketCount);
  /** Of each bucket, how many milliseconds the gateway itself was paused. */
  const pausedMsIn = new Float64Array(bucketCount);
  let bucket = Number.NEGATIVE_INFINITY;
  let longSinceMs = Number.POSITIVE_INFINITY;

  /** Index of the bucket that is being filled, once those since the last one are empty. */
  function at(nowMs: number): number {
    const now = Math.floor(nowMs / bucketMs);
    const skipped = Math.min(now - bucket, bucketCount);
    for (let each = 0; each < skipped; each += 1) {
      const index = (((now - each) % bucketCount) + bucketCount) % bucketCount;
      offeredIn[index] = 0;
      sentIn[index] = 0;
      pausedMsIn[index] = 0;
    }
    bucket = Math.max(bucket, now);
    return ((now % bucketCount) + bucketCount) % bucketCount;
  }

  /** @param last - so many of the buckets, the one that is being filled included */
  function isGrowing(nowMs: number, last = bucketCount): boolean {
    const newest = at(nowMs);
    let [offered, sentWhileRunning, pausedMs] = [0, 0, 0];
    for (let back = 0; back < last; back += 1) {
      const index = (newest - back + bucketCount) % bucketCount;
      offered += offeredIn[index] ?? 0;
      sentWhileRunning += sentIn[index] ?? 0;
      pausedMs += pausedMsIn[index] ?? 0;
    }
    const windowMs = (last - 1) * bucketMs + (nowMs % bucketMs);
    // The replicas would have gone on at the same rate.
    const sent = sentWhileRunning / (1 - Math.min(pausedMs / windowMs, maxPausedShare));
    return offered > growing * sent + chance * Math.sqrt(sent);
  }

  const overload = {
    isOn: false,
    offered: (nowMs: number) => {
      const index = at(nowMs);
      offeredIn[index] = (offeredIn[index] ?? 0) + 1;
    },
    sent: (nowMs: number) => {
      const index = at(nowMs);
      sentIn[index] = (sentIn[index] ?? 0) + 1;
    },
    paused: (sinceMs: number, nowMs: number) => {
      at(nowMs);
      const oldestMs = (bucket - bucketCount + 1) * bucketMs;
      for (let fromMs = Math.max(sinceMs, oldestMs); fromMs < nowMs; ) {
        const number = Math.floor(fromMs / bucketMs);
        const untilMs = Math.min(nowMs, (number + 1) * bucketMs);
        const index = ((number % bucketCount) + bucketCount) % bucketCount;
        pausedMsIn[index] = (pausedMsIn[index] ?? 0) + untilMs - fromMs;
        fromMs = untilMs;
      }
    },
    observe: (isLong: boolean, nowMs: number) => {
      if (!isLong) {
        longSinceMs = Number.POSITIVE_INFINITY;
        // A line that is short because others were turned away would be long again at once.
        if (overload.isOn) overload.isOn = isGrowing(nowMs);
        return;
      }
      longSinceMs = Math.min(longSinceMs, nowMs);
      if (overload.isOn || nowMs - longSinceMs < codelIntervalMs) return;
      overload.isOn = isGrowing(nowMs) && isGrowing(nowMs, lastBuckets);
    },
  };
  return overload;
}
