import type { ClockAndRandom } from "@tensorgate/core";
import { guardedCallback, ScoringError } from "@tensorgate/core";
import { headersFrom } from "./call-headers.ts";
import { limitsFrom } from "./call-limits.ts";
import { type ClientError, clientError, type WireCodes } from "./client-error.ts";
import type { ClientEvent } from "./client-event.ts";
import type { ApiKey, CallOptions, CommonClientOptions } from "./options.ts";
import { metaFromHeaders, type ReadAnswerHeader, type ResponseMeta } from "./response-meta.ts";
import type { RetryBudget } from "./retry-budget.ts";
import { retryPolicyDefaults } from "./retry-policy.ts";
import { AttemptsFailedError, runAttempts } from "./run-attempts.ts";

/** What every call of a client is made of. */
export interface CallerDeps extends Required<Omit<CommonClientOptions, "onEvent">> {
  readonly apiKey: ApiKey | undefined;
  readonly onEvent: ((event: ClientEvent) => void) | undefined;
  readonly budget: RetryBudget;
  readonly clockAndRandom: ClockAndRandom;
  readonly newRequestId: () => string;
}

/** One attempt, as whoever sends it sees it. */
export interface AttemptContext {
  readonly signal: AbortSignal;
  /** What is left, in whole milliseconds: what the gateway is told. */
  readonly timeoutMs: number;
  readonly headers: Readonly<Record<string, string>>;
  /** To be told of the headers of the answer, of a failure too. */
  readonly onHeader: (header: ReadAnswerHeader) => void;
}

/** One call as its method describes it. */
export interface ClientCall<Message> {
  /** Name of the method, for messages. */
  readonly method: string;
  readonly model?: string;
  readonly options: CallOptions;
  /** Makes one attempt. Throws `ScoringError`s; what else it throws is a fault of ours. */
  readonly send: (call: AttemptContext) => Promise<Message>;
  /** The codes of a failure, in the terms of the protocol. */
  readonly wireCodes?: (error: ScoringError) => WireCodes;
}

export interface Answered<Message> {
  readonly message: Message;
  readonly meta: ResponseMeta;
}

/** @throws ClientError */
export type Call = <Message>(call: ClientCall<Message>) => Promise<Answered<Message>>;

/** Makes calls: attempts, their deadline, who calls, and what is known of the answer. */
export function createCaller(parts: CallerDeps): Call {
  const { budget, clockAndRandom } = parts;
  // A listener changes nothing of what it listens to.
  const onEvent = guardedCallback(parts.onEvent);
  const { clock } = clockAndRandom;

  return async ({ method, model, options, send, wireCodes = () => ({}) }) => {
    const requestId = options.requestId ?? parts.newRequestId();
    const called = { method, requestId, ...(model !== undefined && { model }) };
    const startMs = clock.nowMs();
    let header: ReadAnswerHeader = () => null;
    try {
      const { timeoutMs, deadlineMs, maxRetries } = limitsFrom(options, parts);
      const { answer, attempts } = await runAttempts(
        async ({ number, signal, timeoutMs: leftMs }) => {
          onEvent({ type: "attempt", ...called, attempt: number });
          const headers = await headersFrom(parts, options, requestId);
          header = () => null;
          return send({
            // A part of a millisecond is none in any protocol's header.
            signal,
            timeoutMs: Math.ceil(leftMs),
            headers,
            onHeader: (read) => {
              header = read;
            },
          });
        },
        {
          timeoutMs,
          deadlineMs,
          signal: options.signal,
          policy: { ...retryPolicyDefaults, maxRetries },
        },
        {
          ...clockAndRandom,
          budget,
          onRetry: ({ reason }, delayMs) => onEvent({ type: "retry", ...called, reason, delayMs }),
        },
      );
      const meta = metaFromHeaders(header, { requestId, attempts });
      onEvent({ type: "answer", ...called, durationMs: clock.nowMs() - startMs, meta });
      return { message: answer, meta };
    } catch (thrown) {
      const failed = thrown instanceof AttemptsFailedError ? thrown : undefined;
      const last = failed?.last ?? ScoringError.from(thrown);
      const { region } = metaFromHeaders(header, { requestId, attempts: 0 });
      const facts = {
        ...called,
        attempts: failed?.attempts ?? 0,
        ...(region !== undefined && { region }),
      };
      const error: ClientError = clientError(last, facts, wireCodes(last));
      onEvent({ type: "failure", ...called, durationMs: clock.nowMs() - startMs, error });
      throw error;
    }
  };
}
