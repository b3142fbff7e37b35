import { randomUUID } from "node:crypto";
import type { Transport, CallOptions as TransportCallOptions } from "@connectrpc/connect";
import {
  type Answered,
  type Call,
  type CallOptions,
  caller,
  commonClientDefaults,
  gatewayUrl,
  type RetryBudget,
  retryBudget,
} from "@tensorgate/client-core";
import type { OpenTransport } from "./leased-transport.ts";
import type { ClientOptions } from "./options.ts";
import { systemClockAndRandom } from "./system-clock.ts";
import { openTransport } from "./transport.ts";
import { errorFromTransport, wireFactsOf } from "./transport-error.ts";

/** What clients made from one another share. */
export interface SharedParts {
  readonly opened: OpenTransport;
  readonly budget: RetryBudget;
}

/** One call as its method describes it. */
export interface AskedRpc<Message> {
  readonly method: string;
  readonly model?: string;
  readonly options: CallOptions;
  readonly ask: (options: TransportCallOptions) => Promise<Message>;
}

/** Where calls go, and how they are made. */
export interface Connection {
  readonly transport: Transport;
  readonly shared: SharedParts;
  /** @throws ClientError */
  call<Message>(asked: AskedRpc<Message>): Promise<Answered<Message>>;
  close(): void;
}

/** @throws InvalidRequestError if `baseUrl` is no URL of HTTP */
export function openConnection(given: ClientOptions, inherited?: SharedParts): Connection {
  const options = withoutUndefined(given);
  const shared = inherited ?? {
    opened: openTransport(options.transport ?? "connect", baseUrlFrom(options.baseUrl)),
    budget: retryBudget(),
  };
  const call: Call = caller({
    ...commonClientDefaults,
    headers: {},
    onEvent: undefined,
    ...options,
    apiKey: options.apiKey ?? process.env["TENSORGATE_API_KEY"],
    budget: shared.budget,
    clockAndRandom: options.clockAndRandom ?? systemClockAndRandom,
    newRequestId: randomUUID,
  });
  return {
    transport: shared.opened.transport,
    shared,
    close: () => shared.opened.close(),
    call: ({ ask, ...asked }) =>
      call({
        ...asked,
        wireFacts: wireFactsOf,
        ask: async ({ onHeader, headers, signal, timeoutMs }) => {
          try {
            return await ask({
              headers,
              signal,
              timeoutMs,
              onHeader: (received) => onHeader((name) => received.get(name)),
            });
          } catch (thrown) {
            const failed = thrown as { readonly metadata?: Headers };
            if (failed.metadata instanceof Headers) {
              const { metadata } = failed;
              onHeader((name) => metadata.get(name));
            }
            throw errorFromTransport(thrown);
          }
        },
      }),
  };
}

function baseUrlFrom(given: string | URL | undefined): URL {
  const text = String(given ?? process.env["TENSORGATE_URL"] ?? "http://127.0.0.1:8080");
  return gatewayUrl(text, URL.canParse(text) ? new URL(text) : undefined);
}

function withoutUndefined(options: ClientOptions): ClientOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
