import type { FailureReason, ScoringError } from "@tensorgate/core";
import type { Reply } from "../../server/exchange.ts";
import { errorHeaders } from "../reply-headers.ts";
import { wireStatusOf } from "../wire-status.ts";

/** An error as our REST API gives it. @see RFC 9457 */
export function problemReply(error: ScoringError, requestId: string): Reply {
  const { http } = wireStatusOf(error);
  const problem = {
    type: `urn:tensorgate:${error.reason}`,
    title: titles[error.reason],
    status: http,
    ...problemDetails(error),
    requestId,
  };
  return {
    status: http,
    headers: {
      "content-type": "application/problem+json",
      "x-request-id": requestId,
      ...errorHeaders(error),
    },
    body: `${JSON.stringify(problem)}\n`,
  };
}

export interface ProblemDetails {
  readonly detail: string;
  readonly reason: FailureReason;
  readonly hint?: string;
  readonly field?: string;
  readonly retryAfterMs?: number;
}

/** The part of a problem that also stands in the place of a picture that failed among many. */
export function problemDetails({
  message,
  reason,
  hint,
  field,
  retryAfterMs,
}: ScoringError): ProblemDetails {
  return {
    detail: message,
    reason,
    ...(hint !== undefined && { hint }),
    ...(field !== undefined && { field }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  };
}

/** A path or method that leads nowhere never becomes a call, so it has no reason of ours. */
export function noSuchRoute(status: 404 | 405, detail: string, allow?: readonly string[]): Reply {
  const title = status === 404 ? "Not found" : "Method not allowed";
  return {
    status,
    headers: {
      "content-type": "application/problem+json",
      ...(allow && { allow: allow.join(", ") }),
    },
    body: `${JSON.stringify({ type: "about:blank", title, status, detail })}\n`,
  };
}

const titles: Readonly<Record<FailureReason, string>> = {
  cancelled: "The caller went away",
  "invalid-request": "The request is not valid",
  "unsupported-media": "Not a picture that can be scored",
  "too-large": "Too large",
  "deadline-exceeded": "The deadline passed",
  "unknown-model": "There is no such model",
  "unknown-version": "The model has no such version",
  unauthenticated: "A key is needed",
  forbidden: "Not allowed",
  "failed-precondition": "The model cannot do this",
  "not-supported": "Not supported",
  "quota-exceeded": "Over the quota",
  overloaded: "Too much to do",
  "model-not-ready": "The model is not ready",
  "no-replica": "No replica can take the call",
  "upstream-failed": "The model server failed",
  "upstream-answered": "The model server refused the request",
  internal: "Internal error",
};
