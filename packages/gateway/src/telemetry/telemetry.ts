import {
  type Context,
  INVALID_SPAN_CONTEXT,
  isSpanContextValid,
  type Meter,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import type {
  CallWatch,
  Clock,
  ScoringError,
  WatchCall,
  WatchedAttempt,
  WatchedEnd,
} from "@tensorgate/core";
import { type CallRecord, callRecord } from "./call-record.ts";
import { type Gauges, type Instruments, instruments } from "./instruments.ts";
import { formatTraceparent, parseTraceparent } from "./traceparent.ts";

export interface TelemetryParts {
  readonly meter: Meter;
  readonly tracer: Tracer;
  readonly gauges: Gauges;
  readonly onCall: (record: CallRecord) => void;
  /** Called with what an instrument or a span of the host's threw: it fails no call. */
  readonly onFailure: (thrown: unknown) => void;
  /** What callers invent must not become a label of its own. */
  readonly isKnownModel: (name: string) => boolean;
  readonly clock: Clock;
}

/**
 * Watches calls: a span for each and for each of its attempts, metrics, and a record at its end.
 * Contexts are handed on, never looked up: nothing of the way of a call runs in somebody's ambient context.
 */
export function telemetry(parts: TelemetryParts): WatchCall {
  const meters = instruments(parts.meter, parts.gauges);
  const { tracer, onCall, onFailure, isKnownModel, clock } = parts;

  /** Instruments and spans are the host's own, and may throw. */
  function attempted<Result>(work: () => Result, otherwise: Result): Result {
    try {
      return work();
    } catch (thrown) {
      onFailure(thrown);
      return otherwise;
    }
  }

  return (start) => {
    const parent = parentContext(start.traceparent);
    const attributes = { "tensorgate.protocol": start.protocol };
    const span = attempted(
      () => tracer.startSpan(start.operation, { kind: SpanKind.SERVER, attributes }, parent),
      noSpan,
    );
    const context = trace.setSpan(parent, span);
    const traceId = attempted(() => traceIdOf(span), undefined);
    let attempts = 0;
    attempted(() => meters.callsInFlight.add(1), undefined);

    function measure(end: WatchedEnd): void {
      const { error, model, region, askedModel = "" } = end;
      const attributes = {
        protocol: start.protocol,
        model: model?.name ?? (isKnownModel(askedModel) ? askedModel : ""),
        version: model ? String(model.version) : "",
        region: region ?? "",
        reason: error?.reason ?? "ok",
      };
      meters.callsInFlight.add(-1);
      meters.calls.add(1, attributes);
      meters.callDuration.record(end.durationMs / 1_000, attributes);
      meters.receivedBytes.add(end.receivedBytes, { protocol: start.protocol });
      if (span.isRecording()) {
        span.setAttributes({
          "tensorgate.model": attributes.model,
          "tensorgate.version": attributes.version,
          "tensorgate.region": attributes.region,
          "tensorgate.request_id": start.requestId,
        });
      }
      finish(span, error);
    }

    return {
      attempt: (target) => {
        attempts += 1;
        const attempt = attempted(
          () => watchedAttempt({ target, context, tracer, meters, clock }),
          unwatchedAttempt,
        );
        return { ...attempt, end: (error) => attempted(() => attempt.end(error), undefined) };
      },
      cached: (model, outcome) =>
        attempted(() => meters.cacheRequests.add(1, { model, outcome }), undefined),
      end: (end) => {
        attempted(() => measure(end), undefined);
        onCall(callRecord({ start, end, attempts, traceId }));
      },
    };
  };
}

/** Stands in for a span that could not be started. */
const noSpan: Span = trace.wrapSpanContext(INVALID_SPAN_CONTEXT);

const unwatchedAttempt: WatchedAttempt = { end: () => {} };

function traceIdOf(span: Span): string | undefined {
  const context = span.spanContext();
  return isSpanContextValid(context) ? context.traceId : undefined;
}

interface AttemptParts {
  readonly target: Parameters<CallWatch["attempt"]>[0];
  readonly context: Context;
  readonly tracer: Tracer;
  readonly meters: Instruments;
  readonly clock: Clock;
}

function watchedAttempt({ target, context, tracer, meters, clock }: AttemptParts) {
  const { model, region, replicaId } = target;
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
      const attributes = { model, region, reason: error?.reason ?? "ok" };
      meters.attempts.add(1, attributes);
      meters.attemptDuration.record((clock.nowMs() - startedMs) / 1_000, attributes);
      finish(span, error);
    },
  };
}

function finish(span: Span, error: ScoringError | undefined): void {
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
