import type { CallContext } from "./call.ts";
import { createStageTimes } from "./call-observer.ts";
import type { Clock } from "./clock.ts";
import { DeadlineExceededError } from "./scoring-error.ts";

export interface DeadlineOptions {
  /** What the replica's log knows the call by. */
  readonly requestId: string;
  /** How long it may take, in milliseconds. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** Ends the call, too. */
  readonly signal?: AbortSignal;
}

/** Makes a call that no caller sent, such as a probe, with a deadline of its own. */
export async function withDeadline<Answer>(
  work: (call: CallContext) => Promise<Answer>,
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
      times: createStageTimes(),
    });
  } finally {
    timer[Symbol.dispose]();
    signal?.removeEventListener("abort", onAbort);
  }
}
