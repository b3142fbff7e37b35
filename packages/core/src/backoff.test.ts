import { expect, test } from "vitest";
import { backoffDelayMs } from "./backoff.ts";

const options = { initialBackoffMs: 100, maxBackoffMs: 1_000 };

test.each([
  { failureCount: 1, jitter: 0, delayMs: 50, because: "at least half of the first wait" },
  { failureCount: 1, jitter: 1, delayMs: 100, because: "at most all of it" },
  { failureCount: 3, jitter: 1, delayMs: 400, because: "each wait is twice the last" },
  { failureCount: 30, jitter: 1, delayMs: 1_000, because: "there is a longest wait" },
])("failure $failureCount waits $delayMs ms: $because", ({ failureCount, jitter, delayMs }) => {
  expect(backoffDelayMs(failureCount, options, jitter)).toBe(delayMs);
});
