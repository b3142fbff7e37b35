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

  const lateMs = (nowMs: number) => Math.max(0, nowMs - lag.dueMs - timerSlackMs);

  const lag = {
    dueMs: Number.POSITIVE_INFINITY,
    tick: (nowMs: number) => {
      const weight = 1 - Math.exp((measuredMs - nowMs) / constantMs);
      meanMs += weight * (lateMs(nowMs) - meanMs);
      measuredMs = nowMs;
      lag.dueMs = Number.POSITIVE_INFINITY;
    },
    ms: (nowMs: number) => Math.max(nowMs - measuredMs > maxAgeMs ? 0 : meanMs, lateMs(nowMs)),
  };
  return lag;
}
