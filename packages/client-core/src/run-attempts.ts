import type { ClockAndRandom } from "@tensorgate/core";
import {
  CancelledError,
  DeadlineExceededError,
  ScoringError,
  TimeoutError,
} from "@tensorgate/core";
import type { RetryBudget } from "./retry-budget.ts";
import { type RetryPolicy, retryDelayMs } from "./retry-policy.ts";

export interface AttemptOptions {
  /** Time limit of one attempt, in milliseconds. */
  readonly timeoutMs: number;
  /** Time limit of all attempts and waits, in milliseconds. */
  readonly deadlineMs: number;
  readonly policy: RetryPolicy;
  /** Aborts the call, also while it waits. */
  readonly signal?: AbortSignal | undefined;
}

/** One attempt of a call. */
export interface AttemptCall {
  /** 1 for the first. */
  readonly number: number;
  /** Aborts with a `ScoringError` when the caller aborts or the attempt times out. */
  readonly signal: AbortSignal;
  /** Time left for it, in milliseconds; it is sent to the server. */
  readonly timeoutMs: number;
}

export interface AttemptDeps extends ClockAndRandom {
  readonly budget: RetryBudget;
  /** Called before each wait. */
  readonly onRetry?: (error: ScoringError, delayMs: number) => void;
}

/**
 * Makes attempts until one succeeds, or its failure is not retried.
 *
 * An attempt that times out is retried like one whose connection was lost. If the deadline of the call passes first, the
 * call fails with `deadline-exceeded`. If a wait would end after the deadline, the call fails immediately.
 *
 * @throws ScoringError of the last attempt, or of what ended the call
 */
export async function runAttempts<Answer>(
  attempt: (call: AttemptCall) => Promise<Answer>,
  options: AttemptOptions,
  deps: AttemptDeps,
): Promise<Answer> {
  const { timeoutMs, deadlineMs, policy, signal } = options;
  const { clock, random, budget, onRetry } = deps;
  const endMs = clock.nowMs() + deadlineMs;
  budget.deposit();
  for (let number = 1; ; number += 1) {
    const leftMs = endMs - clock.nowMs();
    try {
      if (signal?.aborted) throw cancelled(signal);
      if (leftMs <= 0) throw deadlineExceeded(deadlineMs);
      return await runAttempt(attempt, {
        number,
        signal,
        clock,
        timeoutMs: Math.min(timeoutMs, leftMs),
        isLast: leftMs <= timeoutMs,
        deadlineMs,
      });
    } catch (thrown) {
      const error = ScoringError.from(thrown);
      const delayMs = retryDelayMs(error, { failureCount: number, jitter: random() }, policy);
      const hasTime = delayMs !== undefined && clock.nowMs() + delayMs < endMs;
      if (delayMs === undefined || !hasTime || !budget.withdraw()) {
        throw error;
      }
      onRetry?.(error, delayMs);
      await waitFor(delayMs, { signal, clock });
    }
  }
}

interface AttemptLimits {
  readonly number: number;
  readonly signal: AbortSignal | undefined;
  readonly clock: ClockAndRandom["clock"];
  readonly timeoutMs: number;
  /** Whether the deadline of the call ends this attempt. */
  readonly isLast: boolean;
  readonly deadlineMs: number;
}

async function runAttempt<Answer>(
  attempt: (call: AttemptCall) => Promise<Answer>,
  { number, signal, clock, timeoutMs, isLast, deadlineMs }: AttemptLimits,
): Promise<Answer> {
  const controller = new AbortController();
  const leave = () => controller.abort(cancelled(signal));
  signal?.addEventListener("abort", leave, { once: true });
  // Not with `using`: bundlers replace it for browsers by a kilobyte of code.
  const timer = clock.setTimer(timeoutMs, () =>
    controller.abort(isLast ? deadlineExceeded(deadlineMs) : tookTooLong(timeoutMs)),
  );
  try {
    return await rejectOnAbort(
      attempt({ number, signal: controller.signal, timeoutMs }),
      controller.signal,
    );
  } finally {
    timer[Symbol.dispose]();
    signal?.removeEventListener("abort", leave);
  }
}

/** Rejects on abort even if the transport ignores its signal. */
function rejectOnAbort<Answer>(answer: Promise<Answer>, signal: AbortSignal): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    answer
      .then(resolve, (thrown: unknown) => reject(signal.aborted ? signal.reason : thrown))
      .finally(() => signal.removeEventListener("abort", onAbort));
  });
}

function waitFor(
  delayMs: number,
  { signal, clock }: Pick<AttemptLimits, "signal" | "clock">,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = () => {
      timer[Symbol.dispose]();
      signal?.removeEventListener("abort", end);
      if (signal?.aborted) reject(cancelled(signal));
      else resolve();
    };
    const timer = clock.setTimer(delayMs, end);
    signal?.addEventListener("abort", end);
    if (signal?.aborted) end();
  });
}

function cancelled(signal: AbortSignal | undefined): CancelledError {
  return new CancelledError("the call was aborted", { cause: signal?.reason });
}

function deadlineExceeded(deadlineMs: number): DeadlineExceededError {
  return new DeadlineExceededError(`no response within ${deadlineMs} ms`, {
    hint: "increase deadlineMs, or send a smaller picture",
  });
}

/** Counts as a lost connection, so that it is retried. */
function tookTooLong(timeoutMs: number): TimeoutError {
  return new TimeoutError(`an attempt got no response within ${Math.round(timeoutMs)} ms`, {
    hint: "increase timeoutMs",
  });
}
