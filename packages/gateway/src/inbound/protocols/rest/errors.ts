import type { FailureReason, ScoringError } from "@tensorgate/core";
import type { Exchange } from "../../server/exchange.ts";
import type { HttpAnswer } from "../http-handler.ts";
import type { HttpBody } from "../negotiation.ts";
import { wireStatusOf } from "../wire-status.ts";

const contentType = "application/problem+json";

/** An error as our REST API gives it. @see RFC 9457 */
export function problemBody(error: ScoringError, requestId: string): HttpBody {
  const problem = {
    type: `urn:tensorgate:${error.reason}`,
    title: problemTitles[error.reason],
    status: wireStatusOf(error).http,
    ...problemDetails(error),
    requestId,
  };
  return { contentType, body: `${JSON.stringify(problem)}\n` };
}

export interface ProblemDetails {
  readonly detail: string;
  readonly reason: FailureReason;
  readonly hint?: string;
  readonly field?: string;
  readonly retryAfterMs?: number;
}

/** The part of a problem that also stands in place of a picture that failed among many. */
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

/** Reasons that no call fails with: a path or method without a route never becomes one. */
export const routeReasons = ["unknown-route", "method-not-allowed"] as const;

/** A request that no route takes. */
export interface UnroutedRequest extends Pick<Exchange, "method" | "path"> {
  /** Path that was probably meant. */
  readonly meant?: string | undefined;
  readonly requestId: string;
}

/** @param allowed - methods that the path has routes for */
export function noRoute(
  { method, path, meant, requestId }: UnroutedRequest,
  allowed: readonly string[],
): HttpAnswer {
  const isKnown = allowed.length > 0;
  const status = isKnown ? 405 : 404;
  const title = isKnown ? "Method not allowed" : "Not found";
  const reason: (typeof routeReasons)[number] = isKnown ? "method-not-allowed" : "unknown-route";
  const detail = isKnown
    ? `${path} takes ${allowed.join(", ")}, not ${method}`
    : `no route for ${path.slice(0, 200)}; ${meant === undefined ? "" : `did you mean ${meant}? `}see /openapi.json`;
  return {
    status,
    contentType,
    ...(isKnown && { headers: { allow: allowed.join(", ") } }),
    body: `${JSON.stringify({ type: "about:blank", title, status, detail, reason, requestId })}\n`,
  };
}

/** The title of a problem, by its reason. */
export const problemTitles: Readonly<Record<FailureReason, string>> = {
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

/** Reasons that a call fails with. */
export const failureReasons: readonly FailureReason[] = Object.keys(
  problemTitles,
) as FailureReason[];
