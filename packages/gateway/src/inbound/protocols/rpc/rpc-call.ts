import { type ContextKey, createContextKey, type HandlerContext } from "@connectrpc/connect";
import type {
  CallContext,
  Caller,
  Clock,
  Protocol,
  ScoringError,
  WatchCall,
  WatchedEnd,
} from "@tensorgate/core";
import type { Intake } from "../../server/body/intake.ts";
import { type OpenNewCall, requestIdFrom } from "../call-context.ts";
import { type ReplyFacts, replyHeaders, routedHeaders, stopwatch } from "../reply-headers.ts";
import { connectErrorFrom, reasonOfAbort, scoringErrorFromConnect } from "./errors.ts";

/** What is known of a call before its message is read. */
export interface RpcStart {
  readonly requestId: string;
  /**
   * Who sent it, by the keys that are in force at this moment: a stream may outlive its key.
   * @throws UnauthenticatedError if the key is not valid, or not valid any more
   */
  readonly caller: () => Caller | undefined;
  /** Where the connection comes from. */
  readonly address: string | undefined;
  /** The count of what the request brings. */
  readonly intake: Intake;
  /** What the messages that were read, and not answered, hold of the bytes in flight; in their order. */
  readonly heldBytes: number[];
  /** Whether its message was read. */
  wasBegun: boolean;
}

/** Where that travels to the call. */
export const startKey: ContextKey<RpcStart | undefined> = createContextKey<RpcStart | undefined>(
  undefined,
);

/** The next message of a stream, which is let go of when this is disposed of; to be called once for each, in order. */
export function heldMessage(context: HandlerContext): Disposable {
  const start = context.values.get(startKey);
  const heldBytes = start?.heldBytes.shift() ?? 0;
  return { [Symbol.dispose]: () => start?.intake.gave(heldBytes) };
}

/** Runs one RPC with a call of its own, and answers with our headers or our error. */
export type RunRpc = <Answer>(
  request: unknown,
  context: HandlerContext,
  work: (call: CallContext) => Promise<{ readonly answer: Answer; readonly facts: ReplyFacts }>,
) => Promise<Answer>;

export interface RpcParts {
  readonly openCall: OpenNewCall;
  readonly watchCall: WatchCall;
  readonly onInternalError: (error: ScoringError, requestId: string) => void;
  readonly clock: Clock;
}

/** The `catch` here is the only one of the RPC protocols between a caller and a model. */
export function rpcRunner({ openCall, watchCall, onInternalError, clock }: RpcParts): RunRpc {
  return async (request, context, work) => {
    const elapsedMs = stopwatch(clock);
    const header = (name: string) => context.requestHeader.get(name) ?? undefined;
    const start = context.values.get(startKey);
    const requestId = start?.requestId ?? requestIdFrom(header);
    const watch = watchCall({
      protocol: context.protocolName as Protocol,
      operation: `${context.service.typeName}/${context.method.name}`,
      requestId,
      traceparent: header("traceparent"),
    });
    if (start) start.wasBegun = true;
    const { intake, address } = start ?? {};
    using _held = intake?.hold();
    let call: CallContext | undefined;
    const end = (how: Partial<WatchedEnd>) =>
      watch.end({
        askedModel: askedModel(request),
        ...(call?.caller && { caller: call.caller.id }),
        ...(call && { times: call.times }),
        durationMs: elapsedMs(),
        receivedBytes: intake?.receivedBytes ?? 0,
        ...how,
      });
    try {
      const caller = start?.caller();
      const timeoutMs = context.timeoutMs();
      using open = openCall({ requestId, header, timeoutMs, caller, address, watch });
      ({ call } = open);
      const onCallerGone = () => open.abort(reasonOfAbort(context.signal.reason));
      context.signal.addEventListener("abort", onCallerGone, { once: true });
      if (context.signal.aborted) onCallerGone();
      call.signal.throwIfAborted();
      const { answer, facts } = await work(call);
      for (const [name, value] of Object.entries(replyHeaders(call, facts, elapsedMs()))) {
        context.responseHeader.set(name, value);
      }
      end(facts);
      return answer;
    } catch (thrown) {
      const error = scoringErrorFromConnect(thrown);
      if (error.reason === "internal") onInternalError(error, requestId);
      end({ error });
      throw connectErrorFrom(error, requestId, call ? routedHeaders(call) : {});
    }
  };
}

/** Requests name their model in one of two places. */
function askedModel(request: unknown): string | undefined {
  const { modelSpec, name } = request as {
    readonly modelSpec?: { readonly name?: string };
    readonly name?: string;
  };
  return modelSpec?.name ?? name;
}
