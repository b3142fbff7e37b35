import {
  InternalError,
  InvalidRequestError,
  OverloadedError,
  ScoringError,
  UpstreamFailedError,
} from "@tensorgate/core";
import { manualClock } from "@tensorgate/core/testing";
import { expect, test } from "vitest";
import { createRetryBudget } from "./retry-budget.ts";
import { retryPolicyDefaults } from "./retry-policy.ts";
import { type AttemptCall, runAttempts } from "./run-attempts.ts";

interface Setting {
  readonly timeoutMs?: number;
  readonly deadlineMs?: number;
  readonly maxRetries?: number;
  readonly signal?: AbortSignal;
  readonly random?: number;
}

/** A call whose attempts are answered by hand. */
function called(setting: Setting = {}, budget = createRetryBudget()) {
  const { timeoutMs = 10_000, deadlineMs = 30_000, maxRetries = 2, signal, random = 0.5 } = setting;
  const clock = manualClock();
  const attempts: (AttemptCall & { answer(): void; fail(error: Error): void })[] = [];
  const outcome = runAttempts<string>(
    (call) =>
      new Promise((resolve, reject) => {
        attempts.push({ ...call, answer: () => resolve("answer"), fail: reject });
      }),
    { timeoutMs, deadlineMs, signal, policy: { ...retryPolicyDefaults, maxRetries } },
    { clock, random: () => random, budget },
  ).catch((thrown: unknown) => thrown as ScoringError);
  return { clock, attempts, outcome };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));
const lost = new UpstreamFailedError("lost", { wasLost: true });

test("the first answer is the answer", async () => {
  const { attempts, outcome } = called();
  attempts[0]?.answer();

  expect(await outcome).toBe("answer");
  expect(attempts).toHaveLength(1);
});

test("a lost connection is tried again after a wait with full jitter, twice", async () => {
  const { clock, attempts, outcome } = called();
  for (const waitMs of [50, 100]) {
    attempts.at(-1)?.fail(lost);
    await settled();
    expect(clock.pendingTimersMs()).toEqual([waitMs]);
    clock.advance(waitMs);
    await settled();
  }
  attempts.at(-1)?.fail(lost);

  expect(await outcome).toMatchObject({ reason: "upstream-failed" });
  expect(attempts).toHaveLength(3);
});

test.each([
  { error: new InvalidRequestError("no"), attempts: 1 },
  { error: new InternalError(new Error("bug")), attempts: 2 },
  { error: new Error("an unexpected error"), attempts: 2 },
])("$error.message is tried $attempts times", async ({ error, attempts: expected }) => {
  const { clock, attempts, outcome } = called({ maxRetries: 5 });
  for (let round = 0; round < 6; round += 1) {
    attempts.at(-1)?.fail(error);
    await settled();
    clock.advance(2_000);
    await settled();
  }

  expect(ScoringError.is(await outcome)).toBe(true);
  expect(attempts).toHaveLength(expected);
});

test("a retryAfterMs is respected if it ends before the deadline", async () => {
  const late = called({ deadlineMs: 5_000 });
  late.attempts[0]?.fail(new OverloadedError("full", { retryAfterMs: 6_000 }));
  expect(await late.outcome).toMatchObject({ retryAfterMs: 6_000 });
  expect(late.attempts).toHaveLength(1);

  const early = called({ deadlineMs: 5_000 });
  early.attempts[0]?.fail(new OverloadedError("full", { retryAfterMs: 1_500 }));
  await settled();
  expect(early.clock.pendingTimersMs()).toEqual([1_500]);
});

test("an attempt that times out is retried; the deadline ends all attempts", async () => {
  const { clock, attempts, outcome } = called({ timeoutMs: 1_000, deadlineMs: 1_500, random: 0 });
  expect(attempts[0]?.timeoutMs).toBe(1_000);
  clock.advance(1_000);
  await settled();
  expect(attempts[0]?.signal.reason).toMatchObject({ reason: "upstream-failed" });
  clock.advance(0);
  await settled();
  expect(attempts[1]?.timeoutMs).toBe(500);
  clock.advance(500);

  expect(await outcome).toMatchObject({ reason: "deadline-exceeded" });
  expect(attempts).toHaveLength(2);
});

test.each(["attempt", "wait"])("an abort during an %s rejects immediately", async (during) => {
  const controller = new AbortController();
  const { attempts, clock, outcome } = called({ signal: controller.signal });
  if (during === "wait") {
    attempts[0]?.fail(lost);
    await settled();
  }
  controller.abort(new Error("the user left"));

  expect(await outcome).toMatchObject({
    reason: "cancelled",
    cause: { message: "the user left" },
  });
  expect(attempts).toHaveLength(1);
  expect(clock.pendingTimersMs()).toEqual([]);
});

test("retries are limited to a share of the calls", async () => {
  const budget = createRetryBudget(0.2);
  let attemptCount = 0;
  for (let index = 0; index < 200; index += 1) {
    await runAttempts(
      async () => {
        attemptCount += 1;
        throw lost;
      },
      { timeoutMs: 1_000, deadlineMs: 10_000, policy: { ...retryPolicyDefaults, maxRetries: 5 } },
      {
        clock: {
          nowMs: () => 0,
          setTimer: (_delayMs, wake) => {
            queueMicrotask(wake);
            return { [Symbol.dispose]: () => {} };
          },
        },
        random: () => 0.5,
        budget,
      },
    ).catch(() => {});
  }

  expect(attemptCount).toBeLessThanOrEqual(200 + 10 + 40);
  expect(attemptCount).toBeGreaterThan(200 + 40);
});
