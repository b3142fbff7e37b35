import {
  type Context,
  INVALID_SPAN_CONTEXT,
  isSpanContextValid,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import type {
  AttemptObserver,
  AttemptTarget,
  CacheOutcome,
  CallObserver,
  ModelCounts,
  ModelStatistics,
  ObserveCall,
  ObservedEnd,
  ObservedStart,
  ScoringError,
  Stage,
} from "@tensorgate/core";
import { type CallRecord, callRecord } from "./call-record.ts";
import type { Instruments } from "./instruments.ts";

/** The models that may be called now. */
export interface ModelsInForce {
  readonly current: { readonly snapshot: { has(modelName: string): boolean } };
}

export interface CallObserverDeps {
  readonly tracer: Tracer;
  readonly instruments: Instruments;
  readonly statistics: CountedCalls;
  /** Called for every call that has ended; no record is written without it. */
  readonly onCall: ((record: CallRecord) => void) | undefined;
  /** Called with what an instrument or a span of the host threw: it fails no call. */
  readonly onFailure: (thrown: unknown) => void;
  /** Only the names of its models become labels: callers must not be able to create labels. */
  readonly inForce: ModelsInForce;
}

/**
 * Observes calls: a span for each and for each of its attempts, metrics, the counts of its model, and a record at its end.
 * Contexts are passed on, never looked up: no part of a call runs in an ambient context. Instruments and spans are those
 * of the host and may throw.
 */
export function createCallObserver(deps: CallObserverDeps): ObserveCall {
  return (start) => new ObservedCall(start, deps);
}

/** One call. A class, so that calls share its methods. */
class ObservedCall implements CallObserver {
  modelName: string | undefined;
  readonly #start: ObservedStart;
  readonly #deps: CallObserverDeps;
  #span: Span;
  /** The parent of the spans of its attempts. */
  readonly #context: Context;
  /** Undefined if the call is not traced. */
  #traceId: string | undefined;
  #attemptCount: number;
  /** The models when it began: a reload meanwhile does not change what it is counted under. */
  readonly #models: ModelsInForce["current"]["snapshot"];

  constructor(start: ObservedStart, deps: CallObserverDeps) {
    const { tracer, instruments, onFailure } = deps;
    this.modelName = undefined;
    this.#start = start;
    this.#deps = deps;
    this.#span = noSpan;
    this.#traceId = undefined;
    this.#attemptCount = 0;
    this.#models = deps.inForce.current.snapshot;
    const remote =
      start.traceparent === undefined ? undefined : parseTraceparent(start.traceparent);
    const parent = remote ? trace.setSpanContext(ROOT_CONTEXT, remote) : ROOT_CONTEXT;
    try {
      const attributes = { "tensorgate.protocol": start.protocol };
      this.#span = tracer.startSpan(start.operation, { kind: SpanKind.SERVER, attributes }, parent);
      const spanContext = this.#span.spanContext();
      if (isSpanContextValid(spanContext)) this.#traceId = spanContext.traceId;
    } catch (thrown) {
      onFailure(thrown);
    }
    // Without a tracer there is nothing to pass on, and a context would copy a map for each call.
    this.#context = this.#traceId === undefined ? parent : trace.setSpan(parent, this.#span);
    try {
      instruments.callsInFlight.add(1);
    } catch (thrown) {
      onFailure(thrown);
    }
  }

  attempt({ model, region, replicaId }: AttemptTarget): AttemptObserver {
    const { tracer, instruments, onFailure } = this.#deps;
    this.#attemptCount += 1;
    let span: Span | undefined;
    let traceparent: string | undefined;
    // The attempts of a call without a trace have none either.
    if (this.#traceId !== undefined) {
      try {
        const attributes = {
          "tensorgate.model": model,
          "tensorgate.region": region,
          "tensorgate.replica": replicaId,
        };
        span = tracer.startSpan("attempt", { kind: SpanKind.CLIENT, attributes }, this.#context);
        traceparent = formatTraceparent(span.spanContext());
      } catch (thrown) {
        onFailure(thrown);
      }
    }
    const end = (durationMs: number, error?: ScoringError): void => {
      try {
        const labels = { model, region, reason: error?.reason ?? "ok" };
        instruments.attempts.add(1, labels);
        instruments.attemptDuration.record(durationMs / 1_000, labels);
        if (span) endSpan(span, error);
      } catch (thrown) {
        onFailure(thrown);
      }
    };
    return traceparent === undefined ? { end } : { traceparent, end };
  }

  cached(model: string, outcome: CacheOutcome): void {
    const { instruments, onFailure } = this.#deps;
    try {
      instruments.cacheRequests.add(1, { model, outcome });
    } catch (thrown) {
      onFailure(thrown);
    }
  }

  end(ended: ObservedEnd): void {
    const { instruments, statistics, onCall, onFailure } = this.#deps;
    const start = this.#start;
    const span = this.#span;
    const traceId = this.#traceId;
    const { error, model, region = "", askedModel = "" } = ended;
    // A call that failed before, and one that scores nothing.
    const known = this.modelName ?? (this.#models.has(askedModel) ? askedModel : "");
    try {
      const labels = {
        protocol: start.protocol,
        model: model?.name ?? known,
        version: model ? String(model.version) : "",
        region,
        reason: error?.reason ?? "ok",
      };
      instruments.callsInFlight.add(-1);
      instruments.calls.add(1, labels);
      instruments.callDuration.record(ended.durationMs / 1_000, labels);
      instruments.receivedBytes.add(ended.receivedBytes, { protocol: start.protocol });
      if (span.isRecording()) {
        span.setAttributes({
          "tensorgate.model": labels.model,
          "tensorgate.version": labels.version,
          "tensorgate.region": region,
          "tensorgate.request_id": start.requestId,
        });
      }
      if (traceId !== undefined) endSpan(span, error);
    } catch (thrown) {
      onFailure(thrown);
    }
    // A replica may answer by another name than the one that it is configured under.
    if (known !== "") statistics.count(known, ended);
    onCall?.(callRecord({ start, end: ended, attemptCount: this.#attemptCount, traceId }));
  }
}

/** Stands in for a span that could not be started. */
const noSpan: Span = trace.wrapSpanContext(INVALID_SPAN_CONTEXT);

function endSpan(span: Span, error: ScoringError | undefined): void {
  if (error && span.isRecording()) {
    span.setAttribute("tensorgate.reason", error.reason);
    span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
  }
  span.end();
}

/**
 * Parses a `traceparent` header.
 *
 * @returns undefined for an invalid header, which counts as none
 * @see W3C Trace Context, section 3.2
 */
export function parseTraceparent(text: string): SpanContext | undefined {
  const match = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/.exec(text);
  if (!match) return undefined;
  const [, version, traceId = "", spanId = "", flags = "00", rest] = match;
  // Later versions may add fields; version 00 has none, and version ff is not valid.
  if (version === "ff" || (version === "00" && rest !== undefined)) return undefined;
  const traceFlags = Number.parseInt(flags, 16) & 1;
  const spanContext = { traceId, spanId, traceFlags, isRemote: true };
  return isSpanContextValid(spanContext) ? spanContext : undefined;
}

/** Writes a `traceparent` header. @returns undefined if the call is not traced */
export function formatTraceparent(context: SpanContext): string | undefined {
  if (!isSpanContextValid(context)) return undefined;
  const flags = context.traceFlags.toString(16).padStart(2, "0");
  return `00-${context.traceId}-${context.spanId}-${flags}`;
}

/** The statistics of models, and what adds to them. */
export interface CountedCalls extends ModelStatistics {
  /** Counts a call of a model that has ended. */
  count(modelName: string, end: ObservedEnd): void;
}

type MutableCounts = { readonly [Name in keyof ModelCounts]: { count: number; ms: number } };

function noCounts(): MutableCounts {
  const none = () => ({ count: 0, ms: 0 });
  return {
    success: none(),
    fail: none(),
    queue: none(),
    computeInput: none(),
    computeInfer: none(),
    computeOutput: none(),
    cacheHit: none(),
    cacheMiss: none(),
  };
}

const countByStage: Readonly<Partial<Record<Stage, keyof ModelCounts>>> = {
  queue: "queue",
  decode: "computeInput",
  preprocess: "computeInput",
  upstream: "computeInfer",
  post: "computeOutput",
};

export function createStatistics(): CountedCalls {
  const byModel = new Map<string, MutableCounts>();
  return {
    count: (modelName, { error, durationMs, times }) => {
      if (error?.reason === "unknown-model") return;
      const entries = times?.entries ?? [];
      let isScored = false;
      for (const { stage } of entries)
        if (stage === "upstream" || stage === "cache") isScored = true;
      // A call that asked of a model without scoring it has an answer, and neither of these stages.
      if (!error && !isScored) return;
      const counts = byModel.get(modelName) ?? noCounts();
      byModel.set(modelName, counts);
      const calls = error ? counts.fail : counts.success;
      calls.count += 1;
      calls.ms += durationMs;
      for (const { stage, durationMs: ms, outcome } of entries) {
        const ofCache = outcome === "hit" ? "cacheHit" : "cacheMiss";
        const counted = stage === "cache" ? ofCache : countByStage[stage];
        if (!counted) continue;
        counts[counted].count += 1;
        counts[counted].ms += ms;
      }
    },
    of: (modelName) => byModel.get(modelName) ?? noCounts(),
  };
}
