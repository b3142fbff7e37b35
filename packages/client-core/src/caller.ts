import type { ClockAndRandom } from "@tensorgate/core";
import { guardedCallback, ScoringError } from "@tensorgate/core";
import { assertName, assertOptions } from "./arguments.ts";
import { headersFrom } from "./call-headers.ts";
import { limitsFrom } from "./call-limits.ts";
import { type ClientError, clientError, type WireCodes } from "./client-error.ts";
import type { ClientEvent } from "./client-event.ts";
import type { ApiKey, CallOptions, CommonClientOptions } from "./options.ts";
import { metaFromHeaders, type ReadAnswerHeader, type ResponseMeta } from "./response-meta.ts";
import type { RetryBudget } from "./retry-budget.ts";
import { retryPolicyDefaults } from "./retry-policy.ts";
import { runAttempts } from "./run-attempts.ts";

/** The settings and collaborators of every call of a client. */
export interface CallerDeps extends Required<Omit<CommonClientOptions, "onEvent">> {
  readonly apiKey: ApiKey | undefined;
  readonly onEvent: ((event: ClientEvent) => void) | undefined;
  readonly budget: RetryBudget;
  readonly clockAndRandom: ClockAndRandom;
  readonly newRequestId: () => string;
}

/** One attempt, for the code that sends it. */
export interface AttemptContext {
  readonly signal: AbortSignal;
  /** Time left, in whole milliseconds; it is sent to the gateway. */
  readonly timeoutMs: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Called with the headers of the response, also of a failure. */
  readonly onHeader: (header: ReadAnswerHeader) => void;
}

/** One call, as its method describes it. */
export interface ClientCall<Message, Prepared = void> {
  /** Name of the method, for messages. */
  readonly method: string;
  readonly model?: string;
  readonly options: CallOptions;
  /**
   * Checks the arguments and reads the input, once for all attempts. If it throws, nothing was sent.
   *
   * @throws InvalidRequestError with the name of the argument
   */
  readonly prepare: () => Promise<Prepared>;
  /** Sends one attempt. It throws `ScoringError`s; any other error is a fault of this package. */
  readonly send: (call: AttemptContext, prepared: Prepared) => Promise<Message>;
  /** Returns the codes of a failure in the protocol of the call. */
  readonly wireCodes?: (error: ScoringError) => WireCodes;
}

export interface Answered<Message> {
  readonly message: Message;
  readonly meta: ResponseMeta;
}

/** @throws ClientError */
export type Call = <Message, Prepared>(
  call: ClientCall<Message, Prepared>,
) => Promise<Answered<Message>>;

/** Creates the function that makes calls, with attempts, deadline, authentication and response metadata. */
export function createCaller(parts: CallerDeps): Call {
  const { budget, clockAndRandom } = parts;
  // A throwing listener must not break a call.
  const onEvent = guardedCallback(parts.onEvent);
  const { clock } = clockAndRandom;

  return async <Message, Prepared>(call: ClientCall<Message, Prepared>) => {
    const { method, model, options, prepare, send, wireCodes = () => ({}) } = call;
    const requestId = options.requestId ?? parts.newRequestId();
    const called = { method, requestId, ...(typeof model === "string" && { model }) };
    const startMs = clock.nowMs();
    let header: ReadAnswerHeader = () => null;
    let prepared: Promise<Prepared> | undefined;
    let sentCount = 0;
    try {
      if ("model" in call) assertName("model", model);
      assertOptions(options);
      const { timeoutMs, deadlineMs, maxRetries } = limitsFrom(options, parts);
      const message = await runAttempts(
        async ({ number, signal, timeoutMs: leftMs }) => {
          prepared ??= prepare();
          const ready = await prepared;
          const headers = await headersFrom(parts, options, requestId);
          signal.throwIfAborted();
          sentCount = number;
          onEvent({ type: "attempt", ...called, attempt: number });
          header = () => null;
          const attempt: AttemptContext = {
            // Headers carry whole milliseconds in every protocol.
            signal,
            timeoutMs: Math.ceil(leftMs),
            headers,
            onHeader: (read) => {
              header = read;
            },
          };
          return send(attempt, ready);
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
      const meta = metaFromHeaders(header, { requestId, attempts: sentCount });
      onEvent({ type: "answer", ...called, durationMs: clock.nowMs() - startMs, meta });
      return { message, meta };
    } catch (thrown) {
      const last = ScoringError.from(thrown);
      const { region } = metaFromHeaders(header, { requestId, attempts: 0 });
      const facts = {
        ...called,
        attempts: sentCount,
        ...(region !== undefined && { region }),
      };
      const error: ClientError = clientError(last, facts, wireCodes(last));
      onEvent({ type: "failure", ...called, durationMs: clock.nowMs() - startMs, error });
      throw error;
    }
  };
}
