import type { FailureReason } from "@tensorgate/core";
import { errorByReason } from "@tensorgate/core";
import { expect, test } from "vitest";
import { foreignAnswerError } from "./foreign-answer.ts";
import { isRetryable, retryDelayMs, retryPolicyDefaults } from "./retry-policy.ts";

const failure = (reason: FailureReason, retryAfterMs?: number) =>
  errorByReason(reason, {
    message: "no",
    grpcCode: 2,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });

/** The waits before each attempt after the first, in milliseconds, with the longest of all jitters. */
function waitsMs(error: ReturnType<typeof failure>, maxRetries = 8): readonly number[] {
  const waits: number[] = [];
  for (let failureCount = 1; ; failureCount += 1) {
    const policy = { ...retryPolicyDefaults, maxRetries };
    const waitMs = retryDelayMs(error, { failureCount, jitter: 1 }, policy);
    if (waitMs === undefined) return waits;
    waits.push(waitMs);
  }
}

test.each<FailureReason>([
  "cancelled",
  "invalid-request",
  "unsupported-media",
  "too-large",
  "deadline-exceeded",
  "unknown-model",
  "unknown-version",
  "unauthenticated",
  "forbidden",
  "failed-precondition",
  "not-supported",
  "quota-exceeded",
  "upstream-answered",
])("%s is sent exactly once", (reason) => {
  expect(isRetryable(failure(reason))).toBe(false);
  expect(waitsMs(failure(reason))).toEqual([]);
});

test.each<FailureReason>(["overloaded", "model-not-ready", "no-replica", "upstream-failed"])(
  "%s is tried again, after waits that double from 100 ms up to 2 s",
  (reason) => {
    expect(waitsMs(failure(reason))).toEqual([100, 200, 400, 800, 1_600, 2_000, 2_000, 2_000]);
  },
);

test("an internal fault is tried once more", () => {
  expect(waitsMs(failure("internal"))).toEqual([100]);
});

test("a quota is waited for when the gateway says how long", () => {
  expect(waitsMs(failure("quota-exceeded", 1_500), 2)).toEqual([1_500, 1_500]);
});

test.each<FailureReason>(["quota-exceeded", "overloaded"])(
  "%s with a time that is over is tried again after the usual wait",
  (reason) => {
    expect(waitsMs(failure(reason, 0), 2)).toEqual([100, 200]);
  },
);

test.each([
  { status: 400, isTriedAgain: false },
  { status: 401, isTriedAgain: false },
  { status: 403, isTriedAgain: false },
  { status: 404, isTriedAgain: false },
  { status: 408, isTriedAgain: true },
  { status: 409, isTriedAgain: false },
  { status: 413, isTriedAgain: false },
  { status: 415, isTriedAgain: false },
  { status: 422, isTriedAgain: false },
  { status: 425, isTriedAgain: true },
  { status: 429, isTriedAgain: false },
  { status: 502, isTriedAgain: true },
  { status: 503, isTriedAgain: true },
  { status: 504, isTriedAgain: false },
])("$status of a proxy: tried again $isTriedAgain", ({ status, isTriedAgain }) => {
  expect(isRetryable(foreignAnswerError(status, { text: "no" }))).toBe(isTriedAgain);
});

test("429 of a proxy is waited for when it says how long", () => {
  expect(isRetryable(foreignAnswerError(429, { text: "no", retryAfterMs: 1_000 }))).toBe(true);
});
