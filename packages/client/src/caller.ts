import { randomUUID } from "node:crypto";
import type { CallOptions as TransportCallOptions } from "@connectrpc/connect";
import {
  AttemptsFailedError,
  type ClockAndRandom,
  type RetryBudget,
  retryPolicyDefaults,
  runAttempts,
  ScoringError,
} from "@tensorgate/core";
import { clientError, errorFromTransport } from "./client-error.ts";
import type { ApiKey, CallOptions, RetryEvent } from "./options.ts";
import { type ResponseMeta, timingFrom } from "./response-meta.ts";

/** What every call of a client is made of. */
export interface CallerParts {
  readonly apiKey: ApiKey | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly deadlineMs: number;
  readonly maxRetries: number;
  readonly onRetry: ((event: RetryEvent) => void) | undefined;
  readonly budget: RetryBudget;
  readonly clockAndRandom: ClockAndRandom;
}

/** One call as its method describes it. */
export interface Asked<Message> {
  /** Name of the method, for messages. */
  readonly method: string;
  readonly model?: string;
  readonly options: CallOptions;
  /** Makes one attempt. */
  readonly ask: (options: TransportCallOptions) => Promise<Message>;
}

export interface Answered<Message> {
  readonly message: Message;
  readonly meta: ResponseMeta;
}

/** @throws ClientError */
export type Call = <Message>(asked: Asked<Message>) => Promise<Answered<Message>>;

/** Makes calls: attempts, their deadline, who calls, and what is known of the answer. */
export function caller(parts: CallerParts): Call {
  const { apiKey, budget, clockAndRandom, onRetry } = parts;

  async function headersFor(options: CallOptions, requestId: string) {
    const key = typeof apiKey === "function" ? await apiKey() : apiKey;
    const { region, residency, noStore } = options;
    return {
      "x-request-id": requestId,
      ...(key !== undefined && { authorization: `Bearer ${key}` }),
      ...(region !== undefined && { "x-tensorgate-region": region }),
      ...(residency && { "x-tensorgate-residency": residency.join(",") }),
      ...(noStore && { "cache-control": "no-store" }),
      ...parts.headers,
      ...options.headers,
    };
  }

  return async ({ method, model, options, ask }) => {
    const requestId = options.requestId ?? randomUUID();
    const facts = { method, requestId, ...(model !== undefined && { model }) };
    let received = new Headers();
    try {
      const { answer, attempts } = await runAttempts(
        async ({ signal, timeoutMs }) => {
          try {
            return await ask({
              signal,
              timeoutMs,
              headers: await headersFor(options, requestId),
              onHeader: (headers) => {
                received = headers;
              },
            });
          } catch (thrown) {
            throw errorFromTransport(thrown);
          }
        },
        {
          timeoutMs: options.timeoutMs ?? parts.timeoutMs,
          deadlineMs: options.deadlineMs ?? parts.deadlineMs,
          signal: options.signal,
          policy: {
            ...retryPolicyDefaults,
            maxRetries: options.maxRetries ?? parts.maxRetries,
          },
        },
        {
          ...{ ...clockAndRandom, budget },
          onRetry: ({ reason }, delayMs) =>
            onRetry?.({ method, model: model ?? "", requestId, reason, delayMs }),
        },
      );
      return { message: answer, meta: metaFrom(received, { requestId, attempts }) };
    } catch (thrown) {
      const failed = thrown instanceof AttemptsFailedError ? thrown : undefined;
      const error = failed?.last ?? ScoringError.from(thrown);
      throw clientError(error, { ...facts, attempts: failed?.attempts ?? 0 });
    }
  };
}

function metaFrom(
  headers: Headers,
  { requestId, attempts }: Pick<ResponseMeta, "requestId" | "attempts">,
): ResponseMeta {
  const answering = headers.get("x-tensorgate-model");
  const at = answering?.lastIndexOf("@") ?? -1;
  const version = at === -1 ? undefined : answering?.slice(at + 1);
  const region = headers.get("x-tensorgate-region");
  return {
    requestId: headers.get("x-request-id") ?? requestId,
    attempts,
    ...(answering !== null && at > 0 && { model: answering.slice(0, at) }),
    ...(version !== undefined && /^\d+$/.test(version) && { version: BigInt(version) }),
    ...(region !== null && { region }),
    ...timingFrom(headers.get("server-timing") ?? ""),
  };
}
