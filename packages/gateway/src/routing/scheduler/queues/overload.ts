/** Whether a pool gets more than it can do, as CoDel sees it: its queue does not become short for a while, and grows. */
export interface Overload {
  readonly isOn: boolean;
  /** A request came that could have gone to this pool, whether it was admitted or not. */
  offered(nowMs: number): void;
  /** A request was sent. */
  sent(nowMs: number): void;
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

export function createOverload(): Overload {
  const offeredIn = new Float64Array(bucketCount);
  const sentIn = new Float64Array(bucketCount);
  let bucket = Number.NEGATIVE_INFINITY;
  let longSinceMs = Number.POSITIVE_INFINITY;

  function at(nowMs: number): number {
    const now = Math.floor(nowMs / bucketMs);
    const skipped = Math.min(now - bucket, bucketCount);
    for (let each = 0; each < skipped; each += 1) {
      const index = (((now - each) % bucketCount) + bucketCount) % bucketCount;
      offeredIn[index] = 0;
      sentIn[index] = 0;
    }
    bucket = Math.max(bucket, now);
    return ((now % bucketCount) + bucketCount) % bucketCount;
  }

  /** @param last - so many of the buckets, the one that is being filled included */
  function isGrowing(nowMs: number, last = bucketCount): boolean {
    const newest = at(nowMs);
    let [offered, sent] = [0, 0];
    for (let back = 0; back < last; back += 1) {
      const index = (newest - back + bucketCount) % bucketCount;
      offered += offeredIn[index] ?? 0;
      sent += sentIn[index] ?? 0;
    }
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
