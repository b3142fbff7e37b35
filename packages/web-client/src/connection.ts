import {
  type Answered,
  type CallOptions,
  commonClientDefaults,
  createCaller,
  createRetryBudget,
  gatewayUrl,
  type ModelInfo,
  type RetryBudget,
} from "@tensorgate/client-core";
import type { Clock } from "@tensorgate/core";
import { answerError, fetchError, garbageError } from "./answer-error.ts";
import type { Fit, WebClientOptions } from "./options.ts";
import { createFitter, type Fitter } from "./picture/fitter.ts";
import { newRequestId, systemClockAndRandom } from "./system-clock.ts";

/** A body to send, with what is known of it. */
export interface Body {
  readonly data: Blob | string;
  readonly contentType: string;
}

/** One call as its function describes it. */
export interface RestCall<Value> {
  readonly method: string;
  readonly model?: string;
  readonly options: CallOptions;
  readonly path: string;
  /** Those that are undefined are left out. */
  readonly query?: Readonly<Record<string, string | number | bigint | undefined>>;
  /** Made once, for all attempts; a call without one is a GET. */
  readonly body?: () => Promise<Body>;
  /** Sent with the body. */
  readonly headers?: Readonly<Record<string, string>>;
  /** What is also an answer beside 200. */
  readonly takesStatus?: (status: number) => boolean;
  /** What the text of an answer says. Whatever it throws means that no gateway wrote that. */
  readonly read: (text: string, isOk: boolean) => Value;
}

/** Where calls go, and how they are made. Make one for a page and give it to `classify`, `detect` … */
export interface Connection {
  readonly clock: Clock;
  readonly fit: Fit;
  readonly fitter: Fitter;
  /** What is known of models, kept once rest. */
  readonly knownModels: Map<string, Promise<ModelInfo | undefined>>;
  /** @throws ClientError */
  call<Value>(call: RestCall<Value>): Promise<Answered<Value>>;
  /** The same connection with other settings. */
  with(options: Omit<WebClientOptions, "baseUrl">): Connection;
  /** Ends the worker, for every connection made from this one. */
  close(): void;
}

interface SharedResources {
  readonly budget: RetryBudget;
  readonly fitter: Fitter;
  readonly knownModels: Connection["knownModels"];
}

/** @throws InvalidRequestError if `baseUrl` is no URL of HTTP; TypeError if a key would be readable by everybody */
export function openConnection(
  options: WebClientOptions = {},
  inherited?: SharedResources,
): Connection {
  const baseUrl = baseUrlFrom(options.baseUrl);
  assertKeyIsSecret(options);
  const shared = inherited ?? {
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
    call: ({ method, model, options: callOptions, path, query = {}, read, ...rest }) => {
      const url = new URL(baseUrl.pathname.replace(/\/$/, "") + path, baseUrl);
      for (const [name, value] of Object.entries(query)) {
        if (value !== undefined) url.searchParams.set(name, String(value));
      }
      let made: Promise<Body> | undefined;
      return makeCall({
        method,
        options: callOptions,
        ...(model !== undefined && { model }),
        wireCodes: ({ cause }) => {
          const { status } = (cause ?? {}) as Partial<Response>;
          return typeof status === "number" ? { status } : {};
        },
        send: async ({ signal, timeoutMs, headers, onHeader }) => {
          made ??= rest.body?.();
          const body = await made;
          let response: Response;
          try {
            response = await send(url, {
              method: body ? "POST" : "GET",
              ...(body && { body: body.data }),
              headers: {
                "x-tensorgate-timeout-ms": String(timeoutMs),
                ...(body && { "content-type": body.contentType }),
                ...rest.headers,
                ...headers,
              },
              signal,
            });
          } catch (thrown) {
            throw fetchError(url, thrown);
          }
          onHeader((name) => response.headers.get(name));
          const isAnswer = response.ok || rest.takesStatus?.(response.status);
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
            throw garbageError(url, thrown);
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

/** Whoever opens a page can read what is in it. */
function assertKeyIsSecret({ apiKey, dangerouslyAllowBrowser }: WebClientOptions): void {
  const isBrowser = typeof document !== "undefined" || "WorkerGlobalScope" in globalThis;
  if (!isBrowser || typeof apiKey !== "string" || dangerouslyAllowBrowser) return;
  throw new TypeError(
    "apiKey is a text that everybody who opens this page can read. Give a function that gets a key " +
      "for the user, apiKey: () => fetch(…), or say dangerouslyAllowBrowser: true",
  );
}
