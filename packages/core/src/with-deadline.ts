import { type CallContext, noStageTimes } from "./call.ts";
import type { Clock } from "./clock.ts";
import { DeadlineExceededError } from "./scoring-error.ts";

export interface DeadlineOptions {
  /** Request id, for the log of the replica. */
  readonly requestId: string;
  /** How long it may take, in milliseconds. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** Cancels the call. */
  readonly signal?: AbortSignal;
}

/** A call of the gateway itself. Its signal is the platform's. */
export interface OwnCall extends CallContext {
  readonly signal: AbortSignal;
}

/** Runs a call of the gateway itself, such as a probe, with a deadline. */
export async function withDeadline<Answer>(
  work: (call: OwnCall) => Promise<Answer>,
  { requestId, timeoutMs, clock, signal }: DeadlineOptions,
): Promise<Answer> {
  const controller = new AbortController();
  const onAbort = () => controller.abort(signal?.reason);
  if (signal?.aborted) onAbort();
  signal?.addEventListener("abort", onAbort, { once: true });
  const timer = clock.setTimer(timeoutMs, () =>
    controller.abort(new DeadlineExceededError(`no answer within ${timeoutMs} ms`)),
  );
  try {
    return await work({
      requestId,
      deadline: { atMs: clock.nowMs() + timeoutMs },
      signal: controller.signal,
      hints: {},
      times: noStageTimes,
    });
  } finally {
    timer[Symbol.dispose]();
    signal?.removeEventListener("abort", onAbort);
  }
}
