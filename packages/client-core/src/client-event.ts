import type { ClientError } from "./client-error.ts";
import type { ResponseMeta } from "./response-meta.ts";

/** An event of a call, for logs and counters. It contains no secret. */
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
