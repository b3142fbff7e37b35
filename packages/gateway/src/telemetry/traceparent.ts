import { isSpanContextValid, type SpanContext } from "@opentelemetry/api";

/**
 * Reads who the caller says it is traced by.
 *
 * @returns undefined for what is no such header, which is as good as none
 * @see W3C Trace Context, section 3.2
 */
export function parseTraceparent(text: string): SpanContext | undefined {
  const match = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/.exec(text);
  if (!match) return undefined;
  const [, version, traceId = "", spanId = "", flags = "00", rest] = match;
  // Later versions may add fields; the first has none, and the last does not exist.
  if (version === "ff" || (version === "00" && rest !== undefined)) return undefined;
  const spanContext = {
    traceId,
    spanId,
    traceFlags: Number.parseInt(flags, 16) & 1,
    isRemote: true,
  };
  return isSpanContextValid(spanContext) ? spanContext : undefined;
}

/** @returns undefined where nobody traces */
export function formatTraceparent(context: SpanContext): string | undefined {
  if (!isSpanContextValid(context)) return undefined;
  const flags = context.traceFlags.toString(16).padStart(2, "0");
  return `00-${context.traceId}-${context.spanId}-${flags}`;
}
