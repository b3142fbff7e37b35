import { randomUUID } from "node:crypto";
import type { Transport, CallOptions as TransportCallOptions } from "@connectrpc/connect";
import {
  type Answered,
  assertKnown,
  type Call,
  type CallOptions,
  clientOptionNames,
  commonClientDefaults,
  createCaller,
  createRetryBudget,
  gatewayUrl,
  type RetryBudget,
} from "@tensorgate/client-core";
import type { OpenTransport } from "./leased-transport.ts";
import type { ClientOptions } from "./options.ts";
import { systemClockAndRandom } from "./system-clock.ts";
import { openTransport } from "./transport.ts";
import { errorFromTransport, wireCodesOf } from "./transport-error.ts";

/** Resources that a client shares with those created by `with`. */
export interface SharedResources {
  readonly opened: OpenTransport;
  readonly budget: RetryBudget;
}

/** One call as its method describes it. */
export interface RpcCall<Message, Prepared> {
  readonly method: string;
  readonly model?: string;
  readonly options: CallOptions;
  /** Checks the arguments and reads the input, once for all attempts; without it there is none. */
  readonly prepare?: () => Promise<Prepared>;
  readonly send: (options: TransportCallOptions, prepared: Prepared) => Promise<Message>;
}

/** The transport of a client, and how it makes calls. */
export interface Connection {
  readonly transport: Transport;
  readonly shared: SharedResources;
  /** @throws ClientError */
  call<Message, Prepared = undefined>(call: RpcCall<Message, Prepared>): Promise<Answered<Message>>;
  close(): void;
}

/**
 * Opens the connection of a client.
 *
 * @throws InvalidRequestError if `baseUrl` is not an http or https URL
 */
export function openConnection(given: ClientOptions, existing?: SharedResources): Connection {
  assertKnown("setting", given, clientOptionNames);
  const options = withoutUndefined(given);
  const { transport = "connect" } = options;
  const shared = existing ?? {
    opened: openTransport(transport, baseUrlFrom(options.baseUrl)),
    budget: createRetryBudget(),
  };
  const call: Call = createCaller({
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
    call: <Message, Prepared>({ prepare, send, ...rest }: RpcCall<Message, Prepared>) =>
      call({
        ...rest,
        prepare: prepare ?? (async () => undefined as Prepared),
        wireCodes: (error) => wireCodesOf(error, transport),
        send: async ({ onHeader, headers, signal, timeoutMs }, prepared) => {
          const onAnswerHeader = (received: Headers) => onHeader((name) => received.get(name));
          try {
            return await send({ headers, signal, timeoutMs, onHeader: onAnswerHeader }, prepared);
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
