import { expect, test } from "vitest";
import { type AttemptCounts, countsAfter, noAttempts } from "./attempt-counts.ts";

test("answers count and weigh a fifth of the average; failures count apart", () => {
  let counts: AttemptCounts = noAttempts;
  counts = countsAfter(counts, "answered", 100);
  expect(counts).toEqual({ answered: 1, failed: 0, latencyMs: 100 });
  counts = countsAfter(counts, "answered", 50);
  counts = countsAfter(counts, "lost", 3_000);
  counts = countsAfter(counts, "failed", 1);
  expect(counts).toEqual({ answered: 2, failed: 2, latencyMs: 90 });
});

test.each(["abandoned", "warming"] as const)("an attempt that was %s tells nothing", (outcome) => {
  expect(countsAfter(noAttempts, outcome, 10)).toEqual(noAttempts);
});
