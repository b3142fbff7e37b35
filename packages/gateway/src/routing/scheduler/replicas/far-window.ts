import type { SlotLimit } from "./slots.ts";

/** Slots for each thing that a replica does at once, however far it is. */
const most = 64;
/** A reply that took so many times as long as the quickest waited for others at the replica. */
const queued = 3;
/** Below this share of the way nothing is called a queue: no round trip is known better than that. */
const slackShare = 0.25;
/** How fast the quickest reply is forgotten. */
const forgetting = 1.002;

/**
 * How many requests may be under way at a replica of another region that has no gateway of its own: two for each that it
 * does at once, since others send there, too, whom nobody here sees; and more as long as they are used and the replies
 * show that none waits at the replica. On two alone a device 90 ms away could do no more than 22 requests a second.
 *
 * @param parallelism - requests that the replica works on at once
 */
export function farWindow(parallelism: number): SlotLimit {
  const least = 2 * parallelism;
  let limit = least;
  let quickestMs = Number.POSITIVE_INFINITY;
  return {
    get limit() {
      return limit;
    },
    observe: ({ wasFull, tookMs, roundTripMs }) => {
      quickestMs = Math.min(quickestMs * forgetting, tookMs);
      const queueMs = tookMs - queued * quickestMs;
      if (queueMs > slackShare * roundTripMs) limit = Math.max(least, limit - 1);
      else if (wasFull) limit = Math.min(limit + 1, most * parallelism);
    },
    tooMany: () => {
      limit = Math.max(least, limit >> 1);
    },
  };
}
