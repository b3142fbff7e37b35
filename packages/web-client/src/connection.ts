import {
  type Answered,
  assertKnown,
  type CallOptions,
  clientOptionNames,
  commonClientDefaults,
  createCaller,
  createRetryBudget,
  gatewayUrl,
  type ModelInfo,
  type RetryBudget,
} from "@tensorgate/client-core";
import type { Clock } from "@tensorgate/core";
import { answerError, fetchError, unreadableError } from "./answer-error.ts";
import type { Fit, WebClientOptions } from "./options.ts";
import { createFitter, type Fitter } from "./picture/fitter.ts";
import { newRequestId, systemClockAndRandom } from "./system-clock.ts";

/** A body to send. */
export interface Body {
  readonly data: Blob | string;
  readonly contentType: string;
}

/** One call, as its function describes it. */
export interface RestCall<Value> {
  readonly method: string;
  readonly model?: string;
  readonly options: CallOptions;
  readonly path: string;
  /** Returns the query, or throws the error for an argument. */
  readonly query?: () => Readonly<Record<string, string | number>>;
  /** Creates the body, once for all attempts; a call without a body is a GET. */
  readonly body?: () => Promise<Body>;
  /** Sent with the body. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Returns whether a status other than 2xx is a response, not a failure. */
  readonly takesStatus?: (status: number) => boolean;
  /** Reads the text of a response. If it throws, the response is not from a gateway. */
  readonly read: (text: string, isOk: boolean) => Value;
}

/** The connection of a page to a gateway, for `classify`, `detect` … Open it once. */
export interface Connection {
  readonly clock: Clock;
  readonly fit: Fit;
  readonly fitter: Fitter;
  /** Models that were requested, by name. */
  readonly knownModels: Map<string, Promise<ModelInfo | undefined>>;
  /** @throws ClientError */
  call<Value>(call: RestCall<Value>): Promise<Answered<Value>>;
  /** Returns a connection with other settings that shares the resources of this one. */
  with(options: Omit<WebClientOptions, "baseUrl">): Connection;
  /** Terminates the worker, for every connection that shares it. */
  close(): void;
}

interface SharedResources {
  readonly budget: RetryBudget;
  readonly fitter: Fitter;
  readonly knownModels: Connection["knownModels"];
}

/**
 * Opens a connection.
 *
 * @throws InvalidRequestError if `baseUrl` is not an http or https URL; TypeError if every user of the page could read the key
 */
export function openConnection(
  options: WebClientOptions = {},
  existing?: SharedResources,
): Connection {
  assertKnown("setting", options, clientOptionNames);
  const baseUrl = baseUrlFrom(options.baseUrl);
  assertKeyIsSecret(options);
  const shared = existing ?? {
    budget: createRetryBudget(),
    fitter: createFitter(),
    knownModels: new Map(),
  };
  const clockAndRandom = options.clockAndRandom ?? systemClockAndRandom;
  const makeCall = createCaller({
    ...commonClientDefaults,
    headers: {},
    onEvent: undefined,
    apiKey: undefined,
    ...options,
    budget: shared.budget,
    clockAndRandom,
    newRequestId,
  });
  const send = options.fetch ?? ((...request) => fetch(...request));

  return {
    clock: clockAndRandom.clock,
    fit: options.fit ?? "auto",
    fitter: shared.fitter,
    knownModels: shared.knownModels,
    with: (others) => openConnection({ ...options, ...others }, shared),
    close: () => shared.fitter.close(),
    call: ({ path, query = () => ({}), body, headers: ofBody, takesStatus, read, ...call }) => {
      const url = new URL(baseUrl.pathname.replace(/\/$/, "") + path, baseUrl);
      return makeCall({
        ...call,
        prepare: async () => {
          for (const [name, value] of Object.entries(query())) {
            url.searchParams.set(name, String(value));
          }
          return body?.();
        },
        wireCodes: ({ cause }) => {
          const { status } = (cause ?? {}) as Partial<Response>;
          return typeof status === "number" ? { status } : {};
        },
        send: async ({ signal, timeoutMs, headers, onHeader }, sent) => {
          let response: Response;
          try {
            response = await send(url, {
              method: sent ? "POST" : "GET",
              ...(sent && { body: sent.data }),
              headers: {
                "x-tensorgate-timeout-ms": String(timeoutMs),
                ...(sent && { "content-type": sent.contentType }),
                ...ofBody,
                ...headers,
              },
              signal,
            });
          } catch (thrown) {
            throw fetchError(url, thrown);
          }
          onHeader((name) => response.headers.get(name));
          const isAnswer = response.ok || takesStatus?.(response.status);
          if (!isAnswer) throw await answerError(response);
          let text: string;
          try {
            text = await response.text();
          } catch (thrown) {
            throw fetchError(url, thrown);
          }
          try {
            return read(text, response.ok);
          } catch (thrown) {
            throw unreadableError(url, thrown);
          }
        },
      });
    },
  };
}

function baseUrlFrom(given: string | URL | undefined): URL {
  const own = typeof location === "undefined" ? undefined : location.origin;
  const text = String(given ?? own ?? "http://127.0.0.1:8080");
  return gatewayUrl(text, URL.canParse(text) ? new URL(text) : undefined);
}

/** Throws for a key in the page, which every user can read. */
function assertKeyIsSecret({ apiKey, dangerouslyAllowBrowser }: WebClientOptions): void {
  const isBrowser = typeof document !== "undefined" || "WorkerGlobalScope" in globalThis;
  if (!isBrowser || typeof apiKey !== "string" || dangerouslyAllowBrowser) return;
  throw new TypeError(
    "every user of this page can read an apiKey that is a string; set apiKey to a function that fetches " +
      "the key of the user, or dangerouslyAllowBrowser: true",
  );
}
