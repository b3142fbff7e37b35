import type { ClockAndRandom } from "@tensorgate/core";
import {
  CancelledError,
  DeadlineExceededError,
  ScoringError,
  UpstreamFailedError,
} from "@tensorgate/core";
import type { RetryBudget } from "./retry-budget.ts";
import { type RetryPolicy, retryDelayMs } from "./retry-policy.ts";

export interface AttemptOptions {
  /** How long one attempt may take, in milliseconds. */
  readonly timeoutMs: number;
  /** How long all of them and the waits between may take, in milliseconds. */
  readonly deadlineMs: number;
  readonly policy: RetryPolicy;
  /** Ends the call, whatever it is at. */
  readonly signal?: AbortSignal | undefined;
}

/** One attempt of a call. */
export interface AttemptCall {
  /** 1 for the first. */
  readonly number: number;
  /** Aborts with a `ScoringError` when the caller leaves or the time of the attempt is over. */
  readonly signal: AbortSignal;
  /** What is left for it, in milliseconds: what the server is told. */
  readonly timeoutMs: number;
}

export interface AttemptDeps extends ClockAndRandom {
  readonly budget: RetryBudget;
  /** Told before each wait. */
  readonly onRetry?: (error: ScoringError, delayMs: number) => void;
}

export interface Attempted<Answer> {
  readonly answer: Answer;
  readonly attempts: number;
}

/** A failure, and the attempts that were made before it was given up. */
export class AttemptsFailedError extends Error {
  override readonly name = "AttemptsFailedError";
  readonly last: ScoringError;
  readonly attempts: number;

  constructor(last: ScoringError, attempts: number) {
    super(last.message, { cause: last });
    this.last = last;
    this.attempts = attempts;
  }
}

/**
 * Makes attempts until one is answered, or there is no sense in another.
 *
 * An attempt that takes too long is ended, and made again like one whose connection failed; what is over when the
 * deadline of the whole call is over is the caller's. A wait that would not end before that is not begun.
 *
 * @throws AttemptsFailedError
 */
export async function runAttempts<Answer>(
  attempt: (call: AttemptCall) => Promise<Answer>,
  options: AttemptOptions,
  parts: AttemptDeps,
): Promise<Attempted<Answer>> {
  const { timeoutMs, deadlineMs, policy, signal } = options;
  const { clock, random, budget, onRetry } = parts;
  const endMs = clock.nowMs() + deadlineMs;
  budget.deposit();
  for (let number = 1; ; number += 1) {
    const leftMs = endMs - clock.nowMs();
    try {
      if (signal?.aborted) throw cancelled(signal);
      if (leftMs <= 0) throw deadlineExceeded(deadlineMs);
      const answer = await oneAttempt(attempt, {
        number,
        signal,
        clock,
        timeoutMs: Math.min(timeoutMs, leftMs),
        isLast: leftMs <= timeoutMs,
        deadlineMs,
      });
      return { answer, attempts: number };
    } catch (thrown) {
      const error = ScoringError.from(thrown);
      const delayMs = retryDelayMs(error, { failureCount: number, jitter: random() }, policy);
      const hasTime = delayMs !== undefined && clock.nowMs() + delayMs < endMs;
      if (delayMs === undefined || !hasTime || !budget.take()) {
        throw new AttemptsFailedError(error, number);
      }
      onRetry?.(error, delayMs);
      try {
        await waited(delayMs, { signal, clock });
      } catch (aborted) {
        throw new AttemptsFailedError(ScoringError.from(aborted), number);
      }
    }
  }
}

interface OneAttempt {
  readonly number: number;
  readonly signal: AbortSignal | undefined;
  readonly clock: ClockAndRandom["clock"];
  readonly timeoutMs: number;
  /** Whether the deadline of the call is over when this attempt's time is. */
  readonly isLast: boolean;
  readonly deadlineMs: number;
}

async function oneAttempt<Answer>(
  attempt: (call: AttemptCall) => Promise<Answer>,
  { number, signal, clock, timeoutMs, isLast, deadlineMs }: OneAttempt,
): Promise<Answer> {
  const controller = new AbortController();
  const leave = () => controller.abort(cancelled(signal));
  signal?.addEventListener("abort", leave, { once: true });
  using _timer = clock.setTimer(timeoutMs, () =>
    controller.abort(isLast ? deadlineExceeded(deadlineMs) : tookTooLong(timeoutMs)),
  );
  try {
    return await settledOrAborted(
      attempt({ number, signal: controller.signal, timeoutMs }),
      controller.signal,
    );
  } finally {
    signal?.removeEventListener("abort", leave);
  }
}

/** A transport that does not look at its signal must not hold up whoever aborts. */
function settledOrAborted<Answer>(answer: Promise<Answer>, signal: AbortSignal): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    answer
      .then(resolve, (thrown: unknown) => reject(signal.aborted ? signal.reason : thrown))
      .finally(() => signal.removeEventListener("abort", onAbort));
  });
}

function waited(
  delayMs: number,
  { signal, clock }: Pick<OneAttempt, "signal" | "clock">,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = clock.setTimer(delayMs, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    const onAbort = () => {
      timer[Symbol.dispose]();
      reject(cancelled(signal));
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    if (signal?.aborted) onAbort();
  });
}

function cancelled(signal: AbortSignal | undefined): CancelledError {
  return new CancelledError("the call was aborted", { cause: signal?.reason });
}

function deadlineExceeded(deadlineMs: number): DeadlineExceededError {
  return new DeadlineExceededError(`no answer within ${deadlineMs} ms`, {
    hint: "give the call a longer deadlineMs, or send a smaller picture",
  });
}

/** Like a connection that was lost: another attempt may fare better. */
function tookTooLong(timeoutMs: number): UpstreamFailedError {
  return new UpstreamFailedError(`an attempt was not answered within ${Math.round(timeoutMs)} ms`, {
    wasLost: true,
  });
}
