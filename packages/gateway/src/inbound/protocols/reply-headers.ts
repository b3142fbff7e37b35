import type { AnsweringModel, CallContext, RoutingStep, ScoringError } from "@tensorgate/core";

/** What every reply of ours tells beside its body. */
export interface ReplyFacts {
  readonly model?: AnsweringModel;
  readonly region?: string;
}

/** Headers of a reply, in every protocol; metadata in gRPC. */
export function replyHeaders(
  call: CallContext,
  { model, region }: ReplyFacts,
  totalMs: number,
): Readonly<Record<string, string>> {
  return {
    "x-request-id": call.requestId,
    ...(model && { "x-tensorgate-model": headerText(`${model.name}@${model.version}`) }),
    ...(region !== undefined && { "x-tensorgate-region": headerText(region) }),
    "server-timing": serverTiming(call, totalMs),
    ...routedHeaders(call),
  };
}

/** A name that the configuration or a replica gave, in what a header can hold: percent-encoded where it is not ASCII. */
function headerText(name: string): string {
  return name.toWellFormed().replace(/[^\x20-\x7e]+/g, encodeURIComponent);
}

/** What the router told, also of a call that failed. Each header stays within what proxies take. */
export function routedHeaders({ routed }: CallContext): Readonly<Record<string, string>> {
  if (!routed) return {};
  const { isTraced, steps, expectedWaitMs } = routed;
  return {
    ...(isTraced && { "x-tensorgate-trace": traceText(steps) }),
    ...(expectedWaitMs !== undefined && {
      "x-tensorgate-expected-wait-ms": expectedWaitMs.toFixed(1),
    }),
  };
}

/** Of all steps together: proxies allow 8 KiB for all headers. */
const maxTraceBytes = 6_000;

/** JSON in ASCII; steps that are too many are counted rather than told. */
function traceText(steps: readonly RoutingStep[]): string {
  const told: string[] = [];
  let byteCount = 0;
  for (const step of steps) {
    const text = asciiJson(step);
    byteCount += text.length + 1;
    if (byteCount > maxTraceBytes) break;
    told.push(text);
  }
  const left = steps.length - told.length;
  return `[${[...told, ...(left > 0 ? [asciiJson({ stepsLeftOut: left })] : [])].join(",")}]`;
}

/** Numbers with two digits after the point. */
function asciiJson(value: unknown): string {
  const rounded = (_key: string, each: unknown) =>
    typeof each === "number" ? Math.round(each * 100) / 100 : each;
  return JSON.stringify(value, rounded).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** @see W3C Server-Timing, section 2 */
function serverTiming(call: CallContext, totalMs: number): string {
  const times = call.times
    .entries()
    .map(
      ({ stage, durationMs, outcome }) =>
        `${stage}${outcome ? `;desc=${outcome}` : ""};dur=${durationMs.toFixed(2)}`,
    );
  return [...times, `total;dur=${totalMs.toFixed(2)}`].join(", ");
}

/**
 * Headers of an error, in every protocol: when to come again, as HTTP and as gRPC say it, and how to say who calls.
 *
 * @param call - undefined if it failed before it began
 * @see RFC 9110, section 11.6.1
 */
export function errorHeaders(
  { reason, retryAfterMs }: ScoringError,
  requestId: string,
  call?: CallContext,
): Readonly<Record<string, string>> {
  return {
    "x-request-id": requestId,
    ...(reason === "unauthenticated" && { "www-authenticate": 'Bearer realm="tensorgate"' }),
    ...(retryAfterMs !== undefined && {
      "retry-after": String(Math.ceil(retryAfterMs / 1_000)),
      "grpc-retry-pushback-ms": String(Math.ceil(retryAfterMs)),
    }),
    ...(call && routedHeaders(call)),
  };
}
