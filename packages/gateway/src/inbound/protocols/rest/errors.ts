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
  cancelled: "Client closed request",
  "invalid-request": "Invalid request",
  "unsupported-media": "Unsupported media type",
  "too-large": "Content too large",
  "deadline-exceeded": "Deadline exceeded",
  "unknown-model": "Unknown model",
  "unknown-version": "Unknown version",
  unauthenticated: "Authentication required",
  forbidden: "Forbidden",
  "failed-precondition": "Failed precondition",
  "not-supported": "Not supported",
  "quota-exceeded": "Quota exceeded",
  overloaded: "Overloaded",
  "model-not-ready": "Model not ready",
  "no-replica": "No replica available",
  "upstream-failed": "Upstream failed",
  "upstream-answered": "Request rejected by the model server",
  internal: "Internal error",
};
