/** When the scheduler wants to be woken, kept so that only an earlier time asks for a new timer. */
export interface WakeTimes {
  want(atMs: number): void;
  /** Somebody was woken, on time or not. */
  fired(): void;
  /** @returns the time to ask for; undefined if what was asked for before is early enough */
  next(nowMs: number): number | undefined;
  /** By how much nobody looked when somebody should have, in milliseconds; 0 where that is no more than usual. */
  latenessMs(nowMs: number): number;
}

/** Timers are late by some milliseconds on any machine that has something to do. */
const usualLatenessMs = 15;

export function wakeTimes(): WakeTimes {
  let wantedMs = Number.POSITIVE_INFINITY;
  let askedMs = Number.POSITIVE_INFINITY;
  return {
    want: (atMs) => {
      wantedMs = Math.min(wantedMs, atMs);
    },
    fired: () => {
      // Also where a timer was early, as those of Node may be by a millisecond.
      askedMs = Number.POSITIVE_INFINITY;
    },
    next: (nowMs) => {
      if (askedMs <= nowMs) askedMs = Number.POSITIVE_INFINITY;
      const isNew = wantedMs < askedMs;
      if (isNew) askedMs = Math.max(wantedMs, nowMs);
      wantedMs = Number.POSITIVE_INFINITY;
      return isNew ? askedMs : undefined;
    },
    latenessMs: (nowMs) => {
      const lateMs = nowMs - askedMs;
      return lateMs > usualLatenessMs ? lateMs : 0;
    },
  };
}
