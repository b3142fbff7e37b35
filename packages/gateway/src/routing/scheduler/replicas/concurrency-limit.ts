import type { SlotLimit } from "./slots.ts";

/** Enough for a server to begin with, and few enough to lose when it dies; of another region most are on the way. */
const initialLimits = { near: 8, remote: 32 } as const;
const highest = 256;
/** A trial is judged by so many replies, and not before this time is over, in milliseconds. */
const trial = { replies: 60, leastMs: 50 } as const;
/** A trial counts where at least this share of its replies came while every slot was taken. */
const fullShare = 0.9;
/** What more slots must bring, as a share of what they would bring if all of them counted. */
const wantedGain = 0.35;
/** What fewer slots may cost, as a share of the throughput. */
const allowedLoss = 0.02;
/** Trials that are left out after one that changed nothing; twice as many each time. */
const rest = { first: 2, most: 64 } as const;

/**
 * How many requests at a time a replica is given that nobody said it of, learnt from what it makes of more and less.
 *
 * Climbs the hill of throughput: tries a quarter more or a quarter fewer, and keeps what pays. More must bring more;
 * fewer must cost next to nothing, since what is under way is what is lost when the replica dies.
 */
export function learntParallelism(isRemote: boolean): SlotLimit {
  let limit: number = isRemote ? initialLimits.remote : initialLimits.near;
  let window = { startMs: Number.NaN, replies: 0, full: 0 };
  /** Replies a millisecond at `settled`, once that was measured. */
  let known: { readonly limit: number; readonly rate: number } | undefined;
  let direction: 1 | -1 = 1;
  let resting = 0;
  let restLength: number = rest.first;

  /** Smaller after a trial that did not pay: the top may lie between here and there. */
  const step = () => Math.max(1, Math.floor(limit / (2 * restLength)));

  function judge(rate: number): void {
    if (!known || known.limit === limit) {
      known = { limit, rate };
      if (resting > 0) {
        resting -= 1;
        return;
      }
      tryAnother();
      return;
    }
    const grown = limit / known.limit - 1;
    const gain = rate / known.rate - 1;
    const pays = grown > 0 ? gain >= wantedGain * grown : gain >= -allowedLoss;
    if (pays) {
      known = { limit, rate };
      restLength = rest.first;
      tryAnother();
    } else {
      limit = known.limit;
      direction = direction === 1 ? -1 : 1;
      resting = restLength;
      restLength = Math.min(restLength * 2, rest.most);
    }
  }

  function tryAnother(): void {
    const next = Math.min(Math.max(limit + direction * step(), 1), highest);
    if (next === limit) direction = direction === 1 ? -1 : 1;
    limit = next;
  }

  return {
    get limit() {
      return limit;
    },
    observe: ({ nowMs, wasFull }) => {
      if (Number.isNaN(window.startMs)) {
        window = { startMs: nowMs, replies: 0, full: 0 };
        return;
      }
      window.replies += 1;
      if (wasFull) window.full += 1;
      const durationMs = nowMs - window.startMs;
      if (window.replies < trial.replies || durationMs < trial.leastMs) return;
      const { replies, full } = window;
      window = { startMs: nowMs, replies: 0, full: 0 };
      // With slots to spare the throughput is that of the callers.
      if (full >= fullShare * replies) judge(replies / durationMs);
      else if (known && known.limit !== limit) limit = known.limit;
    },
    tooMany: ({ inFlight }) => {
      limit = Math.max(1, Math.min(limit, inFlight));
      known = undefined;
      direction = 1;
      resting = restLength;
    },
  };
}
