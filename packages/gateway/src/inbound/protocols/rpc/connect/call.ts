import {
  type ConnectError,
  type ContextKey,
  createContextKey,
  type HandlerContext,
} from "@connectrpc/connect";
import type { Tasks } from "@tensorgate/core";
import { type CallContext, ScoringError } from "@tensorgate/core";
import type { AccessRequest, AdmittedCall } from "../../../access/access.ts";
import type { BodyUsage } from "../../../server/body/body-budget.ts";
import { type CallRunner, errorHeaders, type ReplyInfo } from "../../call.ts";
import type { IncomingCall } from "../../incoming-call.ts";
import { connectErrorFrom, reasonOfAbort } from "../errors.ts";
import { askedModel } from "../messages.ts";
import { assertWritableAsJson } from "./json-length.ts";

/** A request to one method, from its headers on: one call, or a stream of them. */
export interface RpcRequest {
  readonly incoming: IncomingCall;
  /** The count of what the request brings; absent until it is read. */
  usage?: BodyUsage;
  /** What the messages that were read, and not answered, hold of the bytes in flight; in their order. */
  readonly heldBytes: number[];
  /** Whether a message of it was read. */
  wasBegun: boolean;
}

/** Where that travels through the library. */
export const rpcKey: ContextKey<RpcRequest> = createContextKey({} as RpcRequest, {
  description: "request that is answered",
});

/** Why a call failed whose message the library did not read: it only writes the error. */
export const failureKey: ContextKey<ConnectError | undefined> = createContextKey<
  ConnectError | undefined
>(undefined, { description: "failure that is written" });

/** Retains the next message of a stream until it is disposed of; to be called once for each, in order. */
export function heldMessage(context: HandlerContext): Disposable {
  const { heldBytes, usage } = context.values.get(rpcKey);
  const byteCount = heldBytes.shift() ?? 0;
  return { [Symbol.dispose]: () => usage?.unreserve(byteCount) };
}

/** Keeps what was read of a request counted until it is disposed of. */
function retained(usage: BodyUsage | undefined): Disposable {
  usage?.retain();
  return { [Symbol.dispose]: () => usage?.release() };
}

export interface RpcAnswer<Message> extends ReplyInfo {
  readonly message: Message;
}

/** Runs one call of an RPC, and answers with its message and our headers, or throws the library's error. */
export type RunRpc = <Message>(
  request: unknown,
  context: HandlerContext,
  work: (call: CallContext, tasks: Tasks) => Promise<RpcAnswer<Message>>,
) => Promise<Message>;

export interface RpcRunner {
  readonly run: RunRpc;
  /** Ends a call whose message is not read, and throws the library's error. */
  fail(request: RpcRequest, thrown: unknown): Promise<never>;
  /**
   * Admits the client of an open stream again, by what is in force now.
   * @throws ConnectError if the key is not valid any more
   */
  readmit(request: RpcRequest): Promise<AdmittedCall>;
}

/** The calls of RPCs, in the words of the library. */
export function createRpcRunner({ run, admit }: CallRunner): RpcRunner {
  /** What it rejects a call with belongs to that call. */
  const admitAgain = async (access: AccessRequest) => await admit(access);

  return {
    run: async (request, context, work) => {
      const rpc = context.values.get(rpcKey);
      const { incoming, usage } = rpc;
      rpc.wasBegun = true;
      using _held = retained(usage);
      const isStream = context.method.methodKind !== "unary";
      // A stream may outlive its key, and the models that were in force when it was opened.
      const admitted = isStream ? admitAgain(incoming.access) : incoming.admitted;
      const controller = new AbortController();
      using _link = abortWith(context.signal, controller);
      const outcome = await run(
        { ...incoming, admitted, controller },
        {
          askedModel: askedModel(request),
          timeoutMs: context.timeoutMs(),
          answer: async (call, tasks) => {
            const answered = await work(call, tasks);
            if (isJson(context)) assertWritableAsJson(answered.message);
            return answered;
          },
          write: (_answer, headers) => {
            for (const [name, value] of Object.entries(headers)) {
              context.responseHeader.set(name, value);
            }
          },
        },
      );
      if (!outcome.ok) throw connectErrorFrom(outcome.error, incoming.requestId, outcome.headers);
      return outcome.answer.message;
    },

    fail: async ({ incoming }, thrown) => {
      const answer = () => Promise.reject<RpcAnswer<never>>(thrown);
      const outcome = await run(incoming, { answer, write: () => {} });
      if (outcome.ok) throw thrown;
      throw connectErrorFrom(outcome.error, incoming.requestId, outcome.headers);
    },

    readmit: async ({ incoming: { access, requestId } }) => {
      try {
        return await admit({ ...access, kind: "recheck" });
      } catch (thrown) {
        const error = ScoringError.from(thrown);
        throw connectErrorFrom(error, requestId, errorHeaders(error, requestId));
      }
    },
  };
}

/** The library ends a call as well: at its deadline, and with the rest of a stream that failed. */
function abortWith(signal: AbortSignal, controller: AbortController): Disposable {
  const onAbort = () => controller.abort(reasonOfAbort(signal.reason));
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  return { [Symbol.dispose]: () => signal.removeEventListener("abort", onAbort) };
}

/** Whether messages are JSON, in any of the protocols. */
const isJson = ({ requestHeader }: HandlerContext) =>
  requestHeader.get("content-type")?.includes("json") === true;
