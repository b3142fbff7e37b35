import { type ContextKey, createContextKey, type HandlerContext } from "@connectrpc/connect";
import {
  type CallContext,
  type Caller,
  CancelledError,
  type Clock,
  type ScoringError,
} from "@tensorgate/core";
import { type OpenNewCall, requestIdFrom } from "./call-context.ts";
import { connectErrorFrom, scoringErrorFromConnect } from "./connect-errors.ts";
import type { Intake } from "./reading/intake.ts";
import { bytesOf, isPacked } from "./reading/rpc-body.ts";
import { type ReplyFacts, replyHeaders, stopwatch } from "./reply-headers.ts";

/** Where the one who was authenticated by the headers travels to the call. */
export const callerKey: ContextKey<Caller | undefined> = createContextKey<Caller | undefined>(
  undefined,
);

/** Where the count of what the request brought travels to the call. */
export const intakeKey: ContextKey<Intake | undefined> = createContextKey<Intake | undefined>(
  undefined,
);

/** Runs one RPC with a call of its own, and answers with our headers or our error. */
export type RunRpc = <Answer>(
  request: unknown,
  context: HandlerContext,
  work: (call: CallContext) => Promise<{ readonly answer: Answer; readonly facts: ReplyFacts }>,
) => Promise<Answer>;

export interface RpcParts {
  readonly openCall: OpenNewCall;
  readonly onInternalError: (error: ScoringError, requestId: string) => void;
  readonly clock: Clock;
}

/** The `catch` here is the only one of the RPC protocols between a caller and a model. */
export function rpcRunner({ openCall, onInternalError, clock }: RpcParts): RunRpc {
  return async (request, context, work) => {
    const elapsedMs = stopwatch(clock);
    const header = (name: string) => context.requestHeader.get(name) ?? undefined;
    const requestId = requestIdFrom(header);
    const intake = context.values.get(intakeKey);
    using _held = intake?.hold();
    try {
      if (intake && isPacked(context.requestHeader)) intake.atLeast(bytesOf(request));
      using open = openCall({
        header: (name) => (name === "x-request-id" ? requestId : header(name)),
        timeoutMs: context.timeoutMs(),
        caller: context.values.get(callerKey),
      });
      const { call, abort } = open;
      const onCallerGone = () => abort(new CancelledError("the caller went away"));
      context.signal.addEventListener("abort", onCallerGone, { once: true });
      if (context.signal.aborted) onCallerGone();
      call.signal.throwIfAborted();
      const { answer, facts } = await work(call);
      for (const [name, value] of Object.entries(replyHeaders(call, facts, elapsedMs()))) {
        context.responseHeader.set(name, value);
      }
      return answer;
    } catch (thrown) {
      const error = scoringErrorFromConnect(thrown);
      if (error.reason === "internal") onInternalError(error, requestId);
      throw connectErrorFrom(error, requestId);
    }
  };
}
