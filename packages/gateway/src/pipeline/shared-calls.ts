import {
  type CallContext,
  CancelledError,
  type ScoreResponse,
  ScoringError,
} from "@tensorgate/core";

/** Calls in flight by what they ask: those that ask the same share one. */
export interface SharedCalls {
  /**
   * Joins the call that is in flight for `key`, or begins one by `start`.
   *
   * Whoever leaves does not take the others along; when nobody is left the shared call is ended. One that ends because
   * its first caller was in a hurry is begun anew for those who are not.
   *
   * @throws the reason of `call.signal` as soon as that aborts, or what the shared call failed with
   */
  share(key: string, call: CallContext, start: StartCall): SharedAnswer;
}

/** @param call - that of the first caller, with a signal that says when nobody waits any more */
export type StartCall = (call: CallContext) => Promise<ScoreResponse>;

export interface SharedAnswer {
  readonly isJoined: boolean;
  readonly response: Promise<ScoreResponse>;
}

interface InFlight {
  readonly response: Promise<ScoreResponse>;
  readonly controller: AbortController;
  waiterCount: number;
}

export function sharedCalls(): SharedCalls {
  const inFlight = new Map<string, InFlight>();

  function begin(key: string, call: CallContext, start: StartCall): InFlight {
    const controller = new AbortController();
    const begun: InFlight = {
      controller,
      waiterCount: 0,
      response: start({ ...call, signal: controller.signal }).finally(() => forget(key, begun)),
    };
    // Each of those who wait is told; if all have left there is nobody to tell.
    begun.response.catch(() => {});
    inFlight.set(key, begun);
    return begun;
  }

  function forget(key: string, of: InFlight): void {
    if (inFlight.get(key) === of) inFlight.delete(key);
  }

  function wait(key: string, shared: InFlight, { signal }: CallContext): Promise<ScoreResponse> {
    shared.waiterCount += 1;
    return new Promise((resolve, reject) => {
      const leave = () => {
        signal.removeEventListener("abort", onAbort);
        shared.waiterCount -= 1;
      };
      const onAbort = () => {
        leave();
        reject(signal.reason);
        if (shared.waiterCount > 0) return;
        forget(key, shared);
        shared.controller.abort(
          new CancelledError("every caller of the coalesced call has cancelled"),
        );
      };
      if (signal.aborted) return onAbort();
      signal.addEventListener("abort", onAbort, { once: true });
      shared.response.then(resolve, reject).finally(leave);
    });
  }

  const share: SharedCalls["share"] = (key, call, start) => {
    const found = inFlight.get(key);
    if (!found) return { isJoined: false, response: wait(key, begin(key, call, start), call) };
    const response = wait(key, found, call).catch((thrown: unknown) => {
      const { reason } = ScoringError.from(thrown);
      const wasInAHurry = reason === "deadline-exceeded" || reason === "cancelled";
      if (call.signal.aborted || !wasInAHurry) throw thrown;
      return share(key, call, start).response;
    });
    return { isJoined: true, response };
  };
  return { share };
}
