import type { SlotLimit } from "./slots.ts";

/** Enough for a third of the load of eight devices at the distance of a neighbour. */
const initialLimit = 160;
const highest = 10_000;

/**
 * How many requests may be under way at the gateway of another region, which has a queue of its own and says when that
 * is too long: one more with each answer while all are used, half with each refusal. What it said of its queue is old
 * by the length of the way, so that whoever trusted that alone would send a region too much for a whole round trip.
 *
 * @see Chiu and Jain, "Analysis of the Increase and Decrease Algorithms for Congestion Avoidance"
 */
export function gatewayWindow(): SlotLimit {
  let limit = initialLimit;
  let halvedMs = Number.NEGATIVE_INFINITY;
  return {
    get limit() {
      return limit;
    },
    observe: ({ wasFull }) => {
      if (wasFull) limit = Math.min(limit + 1, highest);
    },
    tooMany: ({ sentMs, nowMs }) => {
      // What was sent before the last refusal was known says nothing of the window as it is now.
      if (sentMs < halvedMs) return;
      halvedMs = nowMs;
      limit = Math.max(1, limit >> 1);
    },
  };
}
