import type { GatewayDeps } from "@tensorgate/gateway";
import { sharedNowMs } from "../shared-clock.ts";

type TracerProvider = NonNullable<GatewayDeps["tracerProvider"]>;
type Tracer = ReturnType<TracerProvider["getTracer"]>;
type Span = ReturnType<Tracer["startSpan"]>;

/** What became of attempts at one replica around the moment of a fault. */
export interface AttemptInfo {
  /** Attempts that were out at the replica at that moment. */
  readonly exposed: number;
  /**
   * From the fault to the last attempt before the replica was ejected, in milliseconds; undefined if it never was
   * for `pauseMs`.
   */
  readonly lastSentMs: number | undefined;
}

export interface AttemptQuery {
  /** `host:port` of the replica. */
  readonly replica: string;
  readonly faultAtMs: number;
  /** When the load ended. */
  readonly untilMs: number;
  /** So long without an attempt counts as ejected, in milliseconds. */
  readonly pauseMs: number;
}

export interface AttemptLog {
  readonly tracerProvider: TracerProvider;
  factsOf(question: AttemptQuery): AttemptInfo;
}

interface OfReplica {
  readonly startedAtMs: number[];
  readonly endedAtMs: number[];
}

/** Learns from the gateway's own spans when each attempt began and ended, and where. */
export function attemptLog(): AttemptLog {
  const byReplica = new Map<string, OfReplica>();

  function recorded(replica: string): Span {
    const log = byReplica.get(replica) ?? { startedAtMs: [], endedAtMs: [] };
    byReplica.set(replica, log);
    const index = log.startedAtMs.push(sharedNowMs()) - 1;
    log.endedAtMs[index] = Number.POSITIVE_INFINITY;
    return silentSpan(() => {
      log.endedAtMs[index] = sharedNowMs();
    });
  }

  const unrecorded = silentSpan(() => {});
  const startSpan: Tracer["startSpan"] = (_name, options) => {
    const replica = options?.attributes?.["tensorgate.replica"];
    return typeof replica === "string" ? recorded(replica) : unrecorded;
  };
  // Nothing of the gateway starts a span that is active while a function runs.
  const tracer = { startSpan } as Tracer;

  return {
    tracerProvider: { getTracer: () => tracer },
    factsOf: ({ replica, ...question }) => {
      const log = byReplica.get(replica);
      return log ? factsOf(log, question) : { exposed: 0, lastSentMs: undefined };
    },
  };
}

function factsOf(
  { startedAtMs, endedAtMs }: OfReplica,
  { faultAtMs, untilMs, pauseMs }: Omit<AttemptQuery, "replica">,
): AttemptInfo {
  let exposed = 0;
  let lastAtMs = faultAtMs;
  let isLeftAlone = false;
  for (const [index, atMs] of startedAtMs.entries()) {
    if (atMs <= faultAtMs) {
      if ((endedAtMs[index] ?? 0) > faultAtMs) exposed += 1;
    } else if (!isLeftAlone) {
      isLeftAlone = atMs - lastAtMs >= pauseMs;
      if (!isLeftAlone) lastAtMs = atMs;
    }
  }
  isLeftAlone ||= untilMs - lastAtMs >= pauseMs;
  return { exposed, lastSentMs: isLeftAlone ? lastAtMs - faultAtMs : undefined };
}

/** A span of no trace, so that nothing is propagated. */
function silentSpan(onEnd: () => void): Span {
  const span: Span = {
    spanContext: () => ({ traceId: "0".repeat(32), spanId: "0".repeat(16), traceFlags: 0 }),
    setAttribute: () => span,
    setAttributes: () => span,
    addEvent: () => span,
    addLink: () => span,
    addLinks: () => span,
    setStatus: () => span,
    updateName: () => span,
    end: onEnd,
    isRecording: () => false,
    recordException: () => {},
  };
  return span;
}
