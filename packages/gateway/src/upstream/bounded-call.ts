import { type CallContext, type Clock, DeadlineExceededError, stageTimes } from "@tensorgate/core";

export interface CallBounds {
  /** What the replica's log knows the call by. */
  readonly requestId: string;
  /** How long it may take, in milliseconds. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** Ends the call, too. */
  readonly signal?: AbortSignal;
}

/** Makes a call that no caller asked for: with a deadline of its own. */
export async function boundedCall<Answer>(
  work: (call: CallContext) => Promise<Answer>,
  { requestId, timeoutMs, clock, signal }: CallBounds,
): Promise<Answer> {
  const controller = new AbortController();
  using _timer = clock.setTimer(timeoutMs, () =>
    controller.abort(new DeadlineExceededError(`no answer within ${timeoutMs} ms`)),
  );
  return await work({
    requestId,
    deadline: { atMs: clock.nowMs() + timeoutMs },
    signal: signal ? AbortSignal.any([controller.signal, signal]) : controller.signal,
    wishes: {},
    times: stageTimes(),
  });
}
