import { expect, test } from "vitest";
import type { AttemptFailure } from "./events.ts";
import { afterFailure } from "./retries.ts";

const first = { isIdempotent: true, failedCount: 1, failedBy: [] as string[], lostReplicaCount: 0 };

test.each([
  { failure: "unprocessed", facts: {}, next: "retry", because: "it cannot have been seen" },
  { failure: "goaway", facts: {}, next: "retry", because: "the connection was old" },
  { failure: "lost", facts: {}, next: "retry", because: "it may be done twice" },
  { failure: "full", facts: {}, next: "retry", because: "another may have room" },
  { failure: "warming", facts: {}, next: "retry", because: "the model is elsewhere, too" },
  { failure: "failed", facts: {}, next: "retry-if-budgeted", because: "it costs work" },
  {
    failure: "failed",
    facts: { failedCount: 3, failedBy: ["a", "b", "c"] },
    next: "give-up",
    because: "once more in the region and once in the next is enough",
  },
  { failure: "lost", facts: { failedCount: 4 }, next: "give-up", because: "four attempts are all" },
  {
    failure: "lost",
    facts: { lostReplicaCount: 2 },
    next: "reject-poison",
    because: "two replicas that served others are no chance",
  },
  {
    failure: "unprocessed",
    facts: { isIdempotent: false, failedCount: 9 },
    next: "retry",
    because: "nothing was done",
  },
  ...(["not-served", "unknown-label"] as const).map((failure) => ({
    failure,
    facts: { isIdempotent: false },
    next: "retry",
    because: "nothing was done",
  })),
  {
    failure: "not-served",
    facts: { failedCount: 4 },
    next: "give-up",
    because: "what four replicas say is the request's fault",
  },
  { failure: "model-broken", facts: {}, next: "retry", because: "another may be whole" },
  ...(["lost", "failed", "full", "warming", "model-broken"] as const).map((failure) => ({
    failure,
    facts: { isIdempotent: false },
    next: "give-up",
    because: "it must not be done twice",
  })),
] as const)("$failure with $facts: $next, since $because", ({ failure, facts, next }) => {
  expect(afterFailure(failure satisfies AttemptFailure, { ...first, ...facts }, 4)).toBe(next);
});
