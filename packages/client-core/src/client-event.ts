import type { ClientError } from "./client-error.ts";
import type { ResponseMeta } from "./response-meta.ts";

/** What happens to a call, for a log or for counters. Nothing in it is secret. */
export type ClientEvent = CalledEvent &
  (
    | { readonly type: "attempt" /** 1 for the first. */; readonly attempt: number }
    | { readonly type: "retry"; readonly reason: string; readonly delayMs: number }
    | { readonly type: "answer"; readonly durationMs: number; readonly meta: ResponseMeta }
    | { readonly type: "failure"; readonly durationMs: number; readonly error: ClientError }
  );

export interface CalledEvent {
  readonly method: string;
  readonly model?: string;
  readonly requestId: string;
}
