/**
 * How late the gateway itself handles events, because its processor is busy. Whatever a reply waited for meanwhile must
 * not be held against the replica.
 */
export interface OwnLag {
  /** Records how long after its time a tick was handled, in milliseconds. */
  observe(lateMs: number, nowMs: number): void;
  /** Returns the mean of late, in milliseconds. */
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
  let observedMs = Number.NEGATIVE_INFINITY;
  return {
    observe: (lateMs, nowMs) => {
      const weight = 1 - Math.exp((observedMs - nowMs) / constantMs);
      meanMs += weight * (Math.max(0, lateMs - timerSlackMs) - meanMs);
      observedMs = nowMs;
    },
    ms: (nowMs) => (nowMs - observedMs > maxAgeMs ? 0 : meanMs),
  };
}
