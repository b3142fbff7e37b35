import {
  type AnsweringModel,
  type CallContext,
  type CallSignal,
  type Clock,
  type ModelSpec,
  type ModelTasks,
  type ObserveCall,
  ScoringError,
  type Tasks,
} from "@tensorgate/core";
import type {
  AccessLayer,
  AccessRequest,
  Admission,
  AdmittedCall,
  InForce,
} from "../access/access.ts";
import { refusalHeaders } from "../access/cross-site.ts";
import type { RequestOptions } from "../options.ts";
import { createCallContext, type IncomingCall } from "./incoming-call.ts";
import { traceHeaders } from "./trace-headers.ts";

/** What the headers of a reply report. */
export interface ReplyInfo {
  readonly model?: AnsweringModel | undefined;
  readonly region?: string | undefined;
}

/** What a protocol does for one call. */
export interface CallWork<Answer> {
  /** Name of the model as the caller gave it, where it is known when the call ends; anything may be in it. */
  readonly askedModel?: string | undefined;
  /** What the protocol itself says of the deadline, in milliseconds from now. */
  readonly timeoutMs?: number | undefined;
  readonly answer: (call: CallContext, tasks: Tasks) => Promise<Answer> | Answer;
  /** Whether the call ends as soon as it is aborted, also while its body is coming in: `answer` keeps what it works on. */
  readonly endsOnAbort?: boolean;
  /** Writes the answer, or begins to: what it throws is the error of the call. It may add to `headers`. */
  readonly write: (answer: Answer, headers: Record<string, string>) => void;
  /** Writes the error of the call; absent where the one who runs it does. */
  readonly fail?: (error: ScoringError, headers: Readonly<Record<string, string>>) => void;
}

/** How a call ended. The error is for the protocol to write, with these headers. */
export type CallOutcome<Answer> =
  | { readonly ok: true; readonly answer: Answer }
  | {
      readonly ok: false;
      readonly error: ScoringError;
      readonly headers: Readonly<Record<string, string>>;
    };

export interface CallRunner {
  /**
   * Admits a call by its headers alone: each layer of `access` in order.
   *
   * @returns a promise only if a layer waits for something
   * @throws ScoringError if a layer rejects the call
   */
  admit(request: AccessRequest): AdmittedCall | Promise<AdmittedCall>;
  /** Runs a call: admit, authenticate, resolve, answer, record. Rejects only with what `work.fail` throws. */
  run<Answer extends ReplyInfo>(
    incoming: IncomingCall,
    work: CallWork<Answer>,
  ): Promise<CallOutcome<Answer>>;
}

export interface CallRunnerDeps {
  /** What a reload swaps: `current` is what is in force at this moment. */
  readonly inForce: { readonly current: InForce };
  /** Access layers that a call passes before it is authenticated, in order. */
  readonly layers: readonly AccessLayer[];
  readonly requests: Required<RequestOptions>;
  readonly observeCall: ObserveCall;
  /** Called with each internal error; the caller gets only the request id. */
  readonly onInternalError: (error: ScoringError, requestId: string) => void;
  readonly clock: Clock;
}

/** The one way of a call through `inbound`, whatever its protocol. */
export function createCallRunner(deps: CallRunnerDeps): CallRunner {
  const { inForce, layers, observeCall, onInternalError, clock } = deps;

  return {
    admit: (request) => {
      const { authenticate, tasks } = inForce.current;
      const all = authenticate ? [...layers, authenticate] : layers;
      let admission: Admission = {};
      for (let index = 0; index < all.length; index += 1) {
        const layer = all[index] as AccessLayer;
        const admitted = layer(request, admission);
        // Most layers know without waiting; a turn of the microtasks for each would cost as much as they do.
        if (admitted instanceof Promise) {
          return admittedLater(admitted, { request, layers: all.slice(index + 1), tasks });
        }
        admission = admitted;
      }
      return { ...admission, tasks };
    },

    run: async (incoming, work) => {
      const { timeoutMs } = work;
      const { requestId, access, controller } = incoming;
      const startedMs = clock.nowMs();
      const observer = incoming.isRecorded
        ? observeCall({
            protocol: incoming.protocol,
            operation: incoming.operation,
            requestId,
            traceparent: access.header("traceparent"),
          })
        : undefined;
      let call: CallContext | undefined;
      let timer: Disposable | undefined;
      let error: ScoringError | undefined;
      let info: ReplyInfo = {};
      try {
        const { admitted } = incoming;
        const { caller, tasks } = admitted instanceof Promise ? await admitted : admitted;
        const opened = createCallContext(
          { requestId, access, controller, timeoutMs, caller, observer },
          deps,
        );
        ({ call, timer } = opened);
        call.signal.throwIfAborted();
        const { region: preferred } = call.hints;
        if (preferred !== undefined) tasks.assertRegion(preferred, call);
        const answering = work.answer(call, tasks);
        const answered = await (work.endsOnAbort
          ? untilAborted(call.signal, answering)
          : answering);
        work.write(answered, replyHeaders(call, answered, clock.nowMs() - startedMs));
        info = answered;
        return { ok: true, answer: answered };
      } catch (thrown) {
        error = ScoringError.from(thrown);
        if (error.reason === "internal") onInternalError(error, requestId);
        const totalMs = clock.nowMs() - startedMs;
        const headers = errorHeaders(error, requestId, { call, totalMs });
        work.fail?.(error, headers);
        return { ok: false, error, headers };
      } finally {
        timer?.[Symbol.dispose]();
        observer?.end({
          askedModel: work.askedModel,
          error,
          model: info.model,
          region: info.region,
          caller: call?.caller?.id,
          times: call?.times,
          durationMs: clock.nowMs() - startedMs,
          receivedBytes: incoming.body.receivedBytes,
        });
      }
    },
  };
}

/** The rest of the layers, after one that waits. */
async function admittedLater(
  first: Promise<Admission>,
  rest: {
    readonly request: AccessRequest;
    readonly layers: readonly AccessLayer[];
    readonly tasks: Tasks;
  },
): Promise<AdmittedCall> {
  let admission = await first;
  for (const layer of rest.layers) admission = await layer(rest.request, admission);
  return { ...admission, tasks: rest.tasks };
}

/** Rejects as soon as the call is over, also while a body is still coming in. */
function untilAborted<Answer>(
  signal: CallSignal,
  answer: Promise<Answer> | Answer,
): Promise<Answer> | Answer {
  if (!(answer instanceof Promise)) return answer;
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  answer.then(resolve, reject);
  return promise;
}

/**
 * Resolves the model of a call before its body is read, and rejects the call if its replicas have no room. That the model
 * is unknown is an error only once it is used: servers of other protocols read the body first.
 */
export function resolvedBeforeBody(
  modelSpec: ModelSpec,
  { call, tasks }: { readonly call: CallContext; readonly tasks: Tasks },
): () => ModelTasks {
  let model: ModelTasks;
  try {
    model = tasks.resolve(modelSpec, call);
  } catch (thrown) {
    return () => {
      throw thrown;
    };
  }
  model.assertCapacity(call);
  return () => model;
}

/** A call for a single picture fails with that picture; among many, each has its own error. */
export function throwIfOnlyPictureFailed(
  results: readonly { readonly ok: boolean; readonly error?: ScoringError }[],
): void {
  const [only] = results;
  if (results.length === 1 && only?.error) throw ScoringError.from(only.error);
}

/** Headers of a reply, in every protocol; metadata in gRPC. */
export function replyHeaders(
  call: CallContext,
  { model, region }: ReplyInfo,
  totalMs: number,
): Record<string, string> {
  const headers: Record<string, string> = { "x-request-id": call.requestId };
  if (model) {
    headers["x-tensorgate-model"] = modelText(model);
    headers["x-tensorgate-revision"] = String(model.revision ?? 0);
  }
  if (region !== undefined) headers["x-tensorgate-region"] = headerText(region);
  headers["server-timing"] = serverTiming(call, totalMs);
  return call.routingTrace ? { ...headers, ...traceHeaders(call) } : headers;
}

/** The model of the call before, as its header has it: most calls are of few models. */
let modelBefore = { name: "", version: 0n, text: "@0" };

function modelText({ name, version }: AnsweringModel): string {
  if (name !== modelBefore.name || version !== modelBefore.version) {
    modelBefore = { name, version, text: headerText(`${name}@${version}`) };
  }
  return modelBefore.text;
}

/** A name that the configuration or a replica gave, in what a header can hold: percent-encoded where it is not ASCII. */
function headerText(name: string): string {
  if (/^[\x20-\x7e]*$/.test(name)) return name;
  return name.toWellFormed().replace(/[^\x20-\x7e]+/g, encodeURIComponent);
}

/** @see W3C Server-Timing, section 2 */
function serverTiming(call: CallContext, totalMs: number): string {
  let text = "";
  for (const { stage, durationMs, outcome } of call.times.entries) {
    text += `${stage}${outcome ? `;desc=${outcome}` : ""};dur=${withHundredths(durationMs)}, `;
  }
  return `${text}total;dur=${withHundredths(totalMs)}`;
}

/** As `toFixed(2)` writes a number that is not negative, from whole numbers: their texts cost a fraction. */
function withHundredths(value: number): string {
  const hundredths = Math.round(value * 100);
  const whole = Math.floor(hundredths / 100);
  const rest = hundredths - whole * 100;
  return rest < 10 ? `${whole}.0${rest}` : `${whole}.${rest}`;
}

/**
 * Headers of an error, in every protocol: when to retry, for HTTP and for gRPC, how to authenticate, and that a page may
 * read why its origin is refused.
 *
 * @param open - undefined if it failed before it began
 * @see RFC 9110, section 11.6.1
 */
export function errorHeaders(
  error: ScoringError,
  requestId: string,
  {
    call,
    totalMs = 0,
  }: { readonly call?: CallContext | undefined; readonly totalMs?: number } = {},
): Readonly<Record<string, string>> {
  const { reason, retryAfterMs } = error;
  return {
    ...refusalHeaders(error),
    "x-request-id": requestId,
    ...(reason === "unauthenticated" && { "www-authenticate": 'Bearer realm="tensorgate"' }),
    ...(retryAfterMs !== undefined && {
      "retry-after": String(Math.ceil(retryAfterMs / 1_000)),
      "grpc-retry-pushback-ms": String(Math.ceil(retryAfterMs)),
    }),
    ...(call && { "server-timing": serverTiming(call, totalMs) }),
    ...(call?.routingTrace && traceHeaders(call)),
  };
}
