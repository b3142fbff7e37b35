import {
  type Context,
  INVALID_SPAN_CONTEXT,
  isSpanContextValid,
  type MeterProvider,
  metrics,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  type TracerProvider,
  trace,
} from "@opentelemetry/api";
import {
  type AttemptTarget,
  type Clock,
  guardedCallback,
  type ScoringError,
  type WatchCall,
  type WatchedAttempt,
  type WatchedEnd,
} from "@tensorgate/core";
import { type CallRecord, callRecord } from "./call-record.ts";
import { createInstruments, type Gauges, type Instruments } from "./instruments.ts";
import { formatTraceparent, parseTraceparent } from "./traceparent.ts";

export interface TelemetryDeps {
  /** The globally registered one unless given. */
  readonly meterProvider?: MeterProvider | undefined;
  readonly tracerProvider?: TracerProvider | undefined;
  readonly version: string;
  readonly onCall: (record: CallRecord) => void;
  /** Called with what an instrument or a span of the host's threw: it fails no call. */
  readonly onTelemetryFailure: (thrown: unknown) => void;
  readonly clock: Clock;
}

/** What a gateway measures, beside what it does. */
export interface Telemetry {
  /** @param isKnownModel - whether a name may become a label: those that callers invent must not */
  observeCalls(isKnownModel: (name: string) => boolean): WatchCall;
  readonly countReplicaChange: (change: ReplicaChangeCount) => void;
  countRejectedConnection(reason: string): void;
  /** Lets the collector of metrics read the state of the stages from now on. */
  observe(stages: ObservedStages): void;
}

/** What of the stages is measured whenever metrics are collected. */
export interface ObservedStages {
  readonly inbound: { load(): { readonly connections: number; readonly bytesInFlight: number } };
  readonly models: { readonly decodeQueueLength: number };
  readonly cache: { readonly byteCount: number; readonly entryCount: number };
  readonly routing: { readonly gauges: Pick<Gauges, "replicas" | "waiting"> };
}

export interface ReplicaChangeCount {
  readonly model: string;
  readonly region: string;
  readonly to: string;
}

export function createTelemetry(deps: TelemetryDeps): Telemetry {
  const { version, onCall, onTelemetryFailure: onFailure, clock } = deps;
  const instruments = createInstruments(
    (deps.meterProvider ?? metrics).getMeter("tensorgate", version),
  );
  const tracer = (deps.tracerProvider ?? trace).getTracer("tensorgate", version);
  return {
    observeCalls: (isKnownModel) =>
      createCallObserver({ tracer, instruments, onCall, onFailure, isKnownModel, clock }),
    countReplicaChange: guardedCallback(
      ({ model, region, to }) => instruments.replicaChanges.add(1, { model, region, to }),
      onFailure,
    ),
    countRejectedConnection: (reason) => instruments.rejectedConnections.add(1, { reason }),
    observe: ({ inbound, models, cache, routing }) =>
      instruments.observe({
        connections: () => inbound.load().connections,
        bytesInFlight: () => inbound.load().bytesInFlight,
        decodeQueue: () => models.decodeQueueLength,
        cacheBytes: () => cache.byteCount,
        cacheEntries: () => cache.entryCount,
        ...routing.gauges,
      }),
  };
}

interface CallObserverDeps {
  readonly tracer: Tracer;
  readonly instruments: Instruments;
  readonly onCall: (record: CallRecord) => void;
  /** Called with what an instrument or a span of the host's threw: it fails no call. */
  readonly onFailure: (thrown: unknown) => void;
  /** Whether a name may become a label: those that callers invent must not. */
  readonly isKnownModel: (name: string) => boolean;
  readonly clock: Clock;
}

/**
 * Observes calls: a span for each and for each of its attempts, metrics, and a record at its end.
 * Contexts are passed on, never looked up: no part of a call runs in an ambient context. Instruments and spans are the
 * host's own and may throw.
 */
function createCallObserver(deps: CallObserverDeps): WatchCall {
  const { tracer, instruments, onCall, onFailure, isKnownModel } = deps;

  return (start) => {
    const parent = parentContext(start.traceparent);
    let span = noSpan;
    let traceId: string | undefined;
    let attempts = 0;
    try {
      const attributes = { "tensorgate.protocol": start.protocol };
      span = tracer.startSpan(start.operation, { kind: SpanKind.SERVER, attributes }, parent);
      traceId = traceIdOf(span);
    } catch (thrown) {
      onFailure(thrown);
    }
    const context = trace.setSpan(parent, span);
    try {
      instruments.callsInFlight.add(1);
    } catch (thrown) {
      onFailure(thrown);
    }

    function measure(end: WatchedEnd): void {
      const { error, model, region, askedModel = "" } = end;
      const attributes = {
        protocol: start.protocol,
        model: model?.name ?? (isKnownModel(askedModel) ? askedModel : ""),
        version: model ? String(model.version) : "",
        region: region ?? "",
        reason: error?.reason ?? "ok",
      };
      instruments.callsInFlight.add(-1);
      instruments.calls.add(1, attributes);
      instruments.callDuration.record(end.durationMs / 1_000, attributes);
      instruments.receivedBytes.add(end.receivedBytes, { protocol: start.protocol });
      if (span.isRecording()) {
        span.setAttributes({
          "tensorgate.model": attributes.model,
          "tensorgate.version": attributes.version,
          "tensorgate.region": attributes.region,
          "tensorgate.request_id": start.requestId,
        });
      }
      endSpan(span, error);
    }

    return {
      attempt: (target) => {
        attempts += 1;
        try {
          return observeAttempt(target, context, deps);
        } catch (thrown) {
          onFailure(thrown);
          return { end: () => {} };
        }
      },
      cached: (model, outcome) => {
        try {
          instruments.cacheRequests.add(1, { model, outcome });
        } catch (thrown) {
          onFailure(thrown);
        }
      },
      end: (end) => {
        try {
          measure(end);
        } catch (thrown) {
          onFailure(thrown);
        }
        onCall(callRecord({ start, end, attempts, traceId }));
      },
    };
  };
}

/** Stands in for a span that could not be started. */
const noSpan: Span = trace.wrapSpanContext(INVALID_SPAN_CONTEXT);

function observeAttempt(
  { model, region, replicaId }: AttemptTarget,
  context: Context,
  { tracer, instruments, onFailure, clock }: CallObserverDeps,
): WatchedAttempt {
  const startedMs = clock.nowMs();
  const span = tracer.startSpan(
    "attempt",
    {
      kind: SpanKind.CLIENT,
      attributes: {
        "tensorgate.model": model,
        "tensorgate.region": region,
        "tensorgate.replica": replicaId,
      },
    },
    context,
  );
  const traceparent = formatTraceparent(span.spanContext());
  return {
    ...(traceparent !== undefined && { traceparent }),
    end: (error?: ScoringError) => {
      try {
        const attributes = { model, region, reason: error?.reason ?? "ok" };
        instruments.attempts.add(1, attributes);
        instruments.attemptDuration.record((clock.nowMs() - startedMs) / 1_000, attributes);
        endSpan(span, error);
      } catch (thrown) {
        onFailure(thrown);
      }
    },
  };
}

function traceIdOf(span: Span): string | undefined {
  const context = span.spanContext();
  return isSpanContextValid(context) ? context.traceId : undefined;
}

function endSpan(span: Span, error: ScoringError | undefined): void {
  if (error && span.isRecording()) {
    span.setAttribute("tensorgate.reason", error.reason);
    span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
  }
  span.end();
}

function parentContext(traceparent: string | undefined): Context {
  const spanContext = traceparent === undefined ? undefined : parseTraceparent(traceparent);
  return spanContext ? trace.setSpanContext(ROOT_CONTEXT, spanContext) : ROOT_CONTEXT;
}
