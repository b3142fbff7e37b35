import {
  type CallContext,
  CancelledError,
  type ScoreResponse,
  ScoringError,
} from "@tensorgate/core";

/**
 * Joins the call that is in flight for `key`, or starts one by `start` (singleflight).
 *
 * A caller that cancels does not cancel the call for the others; when all have cancelled, the call is cancelled too. If
 * the call fails because the deadline of its first caller passes, or that caller cancels, the others start it again.
 *
 * @throws the reason of `call.signal` as soon as that aborts, or what the coalesced call failed with
 */
export type CoalesceCall = (key: string, call: CallContext, start: StartCall) => CoalescedResponse;

/** @param call - that of the first caller, with a signal that aborts when all callers have cancelled */
export type StartCall = (call: CallContext) => Promise<ScoreResponse>;

export interface CoalescedResponse {
  readonly isJoined: boolean;
  readonly response: Promise<ScoreResponse>;
}

interface InFlight {
  readonly response: Promise<ScoreResponse>;
  readonly controller: AbortController;
  waiterCount: number;
}

export function createCallCoalescer(): CoalesceCall {
  const inFlight = new Map<string, InFlight>();

  function begin(key: string, call: CallContext, start: StartCall): InFlight {
    const controller = new AbortController();
    const begun: InFlight = {
      controller,
      waiterCount: 0,
      response: start({ ...call, signal: controller.signal }).finally(() => evict(key, begun)),
    };
    // Each waiter gets the failure; without waiters nothing handles it.
    begun.response.catch(() => {});
    inFlight.set(key, begun);
    return begun;
  }

  function evict(key: string, of: InFlight): void {
    if (inFlight.get(key) === of) inFlight.delete(key);
  }

  function wait(key: string, joined: InFlight, { signal }: CallContext): Promise<ScoreResponse> {
    joined.waiterCount += 1;
    return new Promise((resolve, reject) => {
      const leave = () => {
        signal.removeEventListener("abort", onAbort);
        joined.waiterCount -= 1;
      };
      const onAbort = () => {
        leave();
        reject(signal.reason);
        if (joined.waiterCount > 0) return;
        evict(key, joined);
        joined.controller.abort(
          new CancelledError("every caller of the coalesced call has cancelled"),
        );
      };
      if (signal.aborted) return onAbort();
      signal.addEventListener("abort", onAbort, { once: true });
      joined.response.then(resolve, reject).finally(leave);
    });
  }

  const coalesce: CoalesceCall = (key, call, start) => {
    const found = inFlight.get(key);
    if (!found) return { isJoined: false, response: wait(key, begin(key, call, start), call) };
    const response = wait(key, found, call).catch((thrown: unknown) => {
      const { reason } = ScoringError.from(thrown);
      const isOfFirstCaller = reason === "deadline-exceeded" || reason === "cancelled";
      if (call.signal.aborted || !isOfFirstCaller) throw thrown;
      return coalesce(key, call, start).response;
    });
    return { isJoined: true, response };
  };
  return coalesce;
}
