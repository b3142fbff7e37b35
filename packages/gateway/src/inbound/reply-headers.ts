import type { AnsweringModel, CallContext, Clock, ScoringError } from "@tensorgate/core";

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
    ...(model && { "x-tensorgate-model": `${model.name}@${model.version}` }),
    ...(region !== undefined && { "x-tensorgate-region": region }),
    "server-timing": serverTiming(call, totalMs),
  };
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

/** When to come again, as HTTP and as gRPC say it, and how to say who calls. @see RFC 9110, section 11.6.1 */
export function errorHeaders({
  reason,
  retryAfterMs,
}: ScoringError): Readonly<Record<string, string>> {
  return {
    ...(reason === "unauthenticated" && { "www-authenticate": 'Bearer realm="tensorgate"' }),
    ...(retryAfterMs !== undefined && {
      "retry-after": String(Math.ceil(retryAfterMs / 1_000)),
      "grpc-retry-pushback-ms": String(Math.ceil(retryAfterMs)),
    }),
  };
}

/** Milliseconds since the result was made. */
export function stopwatch(clock: Clock): () => number {
  const startMs = clock.nowMs();
  return () => clock.nowMs() - startMs;
}
