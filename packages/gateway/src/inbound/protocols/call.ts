import {
  type CallContext,
  type Classify,
  type Clock,
  type Detect,
  type Embed,
  type ModelCatalog,
  type ModelMetadata,
  type ModelSpec,
  type ModelStatus,
  type Protocol,
  type Score,
  ScoringError,
  type WatchCall,
  type WatchedEnd,
} from "@tensorgate/core";
import { type AccessLayer, type AccessRequest, type Admission, admit } from "../access/access.ts";
import type { RequestOptions } from "../options.ts";
import { createCallContext } from "./call-context.ts";
import { errorHeaders, type ReplyFacts, replyHeaders } from "./reply-headers.ts";

/** Asks one replica of a model something about it. */
export type AskModel<Answer> = (modelSpec: ModelSpec, call: CallContext) => Promise<Answer>;

/** What callers may have done, by the models of one configuration. */
export interface Tasks {
  readonly classify: Classify;
  readonly detect: Detect;
  readonly embed: Embed;
  readonly score: Score;
  readonly modelStatus: AskModel<ModelStatus>;
  readonly modelMetadata: AskModel<ModelMetadata>;
  readonly catalog: ModelCatalog;
}

/** What a reload swaps, whole: who may call, and what models mean. A call keeps what it began with. */
export interface InForce {
  readonly authenticate: AccessLayer;
  readonly tasks: Tasks;
}

/** A call that was let in. */
export interface AdmittedCall extends Admission {
  readonly tasks: Tasks;
}

/** A call of which nothing but the headers is read. */
export interface IncomingCall {
  readonly protocol: Protocol;
  /** What is asked for, without what varies: `POST /v1/classify/{model}`. */
  readonly operation: string;
  readonly requestId: string;
  readonly access: AccessRequest;
  /** Whether it is worth a record. */
  readonly isRecorded: boolean;
  /** Admits and authenticates it: by a promise that was made before, where the headers were judged already. */
  readonly admitted: () => Promise<AdmittedCall>;
  /** Aborts when the caller has gone, or its protocol ends the call. */
  readonly gone: AbortSignal;
  /** Why it aborted, where that may be another reason than that the caller has gone. */
  readonly goneError?: (reason: unknown) => ScoringError;
  /** Bytes of the body that have come so far. */
  readonly receivedBytes: () => number;
}

/** What a protocol does for one call. */
export interface CallWork<Answer> {
  /** Name of the model as the caller gave it, where it is known by now; anything may be in it. */
  readonly askedModel?: string | undefined;
  /** What the protocol itself says of the deadline, in milliseconds from now. */
  readonly timeoutMs?: number | undefined;
  readonly answer: (call: CallContext, tasks: Tasks) => Promise<Answer> | Answer;
  /** Writes the answer, or begins to: what it throws is the error of the call. */
  readonly write: (answer: Answer, headers: Readonly<Record<string, string>>) => void;
}

/** How a call ended. The error is for the protocol to write, with these headers. */
export type Outcome<Answer> =
  | { readonly ok: true; readonly answer: Answer }
  | {
      readonly ok: false;
      readonly error: ScoringError;
      readonly headers: Readonly<Record<string, string>>;
    };

export interface CallRunner {
  /** Lets a call in by its headers alone: each layer of `access` in turn. */
  admit(request: AccessRequest): Promise<AdmittedCall>;
  /** Runs a call: admit, authenticate, resolve, answer, record. Never rejects. */
  run<Answer extends ReplyFacts>(
    incoming: IncomingCall,
    work: CallWork<Answer>,
  ): Promise<Outcome<Answer>>;
}

export interface CallRunnerDeps {
  /** What is in force at this moment. */
  readonly inForce: () => InForce;
  /** What a call passes before anything of its body is read, in order. */
  readonly layers: (inForce: InForce) => readonly AccessLayer[];
  readonly requests: Required<RequestOptions>;
  readonly watchCall: WatchCall;
  /** Called with what is our own fault, of which the caller only learns the request id. */
  readonly onInternalError: (error: ScoringError, requestId: string) => void;
  readonly clock: Clock;
}

/** The one way of a call through `inbound`, whatever its protocol. */
export function createCallRunner(deps: CallRunnerDeps): CallRunner {
  const { inForce, layers, watchCall, onInternalError, clock } = deps;

  return {
    admit: async (request) => {
      const current = inForce();
      const admission = await admit(layers(current), request);
      return { ...admission, tasks: current.tasks };
    },

    run: async (incoming, { askedModel, timeoutMs, answer, write }) => {
      const { requestId, access } = incoming;
      const startedMs = clock.nowMs();
      const watch = incoming.isRecorded
        ? watchCall({
            protocol: incoming.protocol,
            operation: incoming.operation,
            requestId,
            traceparent: access.header("traceparent"),
          })
        : undefined;
      let call: CallContext | undefined;
      let ended: Partial<WatchedEnd> = {};
      try {
        const { caller, tasks } = await incoming.admitted();
        using open = createCallContext({ ...incoming, timeoutMs, caller, watch }, deps);
        ({ call } = open);
        call.signal.throwIfAborted();
        const answered = await answer(call, tasks);
        write(answered, replyHeaders(call, answered, clock.nowMs() - startedMs));
        const { model, region } = answered;
        ended = { ...(model && { model }), ...(region !== undefined && { region }) };
        return { ok: true, answer: answered };
      } catch (thrown) {
        const error = ScoringError.from(thrown);
        ended = { error };
        if (error.reason === "internal") onInternalError(error, requestId);
        return { ok: false, error, headers: errorHeaders(error, requestId, call) };
      } finally {
        watch?.end({
          askedModel,
          ...(call?.caller && { caller: call.caller.id }),
          ...(call && { times: call.times }),
          durationMs: clock.nowMs() - startedMs,
          receivedBytes: incoming.receivedBytes(),
          ...ended,
        });
      }
    },
  };
}
