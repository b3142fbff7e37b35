import type { Attempt } from "./open-request.ts";

/** Looks at how long attempts take. */
export interface AttemptWatch {
  /** How often somebody should look while attempts are under way, in milliseconds. */
  readonly intervalMs: number;
  /** When the replica of an attempt is to be suspected, and when another one may try; Infinity for never. */
  dueMs(attempt: Attempt): { readonly overdueMs: number; readonly hedgeMs: number };
  /** So long nobody looked: no replica is slower for that. */
  forgive(attempts: Iterable<Attempt>, lateMs: number): void;
}

/** A hedge is sent so many service times after the replica should have begun. */
const hedgeServices = 2;

export function attemptWatch(): AttemptWatch {
  return {
    intervalMs: 10,
    dueMs: (attempt) => {
      const { request, pool, replica, sentMs, expectedStartMs, isOverdue } = attempt;
      const mayHedge =
        request.mayHedge &&
        !attempt.isLeftOver &&
        request.underWay.length === 1 &&
        !request.waitsIn;
      return {
        overdueMs: isOverdue ? sentMs : sentMs + pool.tryTimeoutMs(replica),
        hedgeMs: mayHedge
          ? expectedStartMs + hedgeServices * replica.slots.usualMs + replica.slots.roundTripMs
          : Number.POSITIVE_INFINITY,
      };
    },
    forgive: (attempts, lateMs) => {
      const slots = new Set<Attempt["replica"]>();
      for (const attempt of attempts) {
        attempt.sentMs += lateMs;
        attempt.expectedStartMs += lateMs;
        slots.add(attempt.replica);
      }
      for (const replica of slots) replica.slots.forgive(lateMs);
    },
  };
}
