import type { ScoringError } from "@tensorgate/core";
import type { Exchange } from "../../server/exchange.ts";
import type { HttpAnswer } from "../http-handler.ts";
import type { HttpBody } from "../negotiation.ts";

const contentType = "application/json";

/** An error in the protocol's form: its clients read `error` alone. */
export function inferenceErrorBody(
  { message, reason, hint, field }: ScoringError,
  requestId: string,
): HttpBody {
  const body = {
    error: message,
    reason,
    ...(hint !== undefined && { hint }),
    ...(field !== undefined && { field }),
    requestId,
  };
  return { contentType, body: JSON.stringify(body) };
}

type UnroutedRequest = Pick<Exchange, "method" | "path"> & { readonly requestId: string };

/**
 * The answer to a request below `/v2` that no route takes.
 *
 * @param allowed - methods that the path has routes for
 * @returns undefined for any other path
 */
export function unroutedInferenceAnswer(
  { method, path, requestId }: UnroutedRequest,
  allowed: readonly string[],
): HttpAnswer | undefined {
  if (!/^\/v2(\/|$)/.test(path)) return undefined;
  const isKnown = allowed.length > 0;
  const methods = allowed.join(", ");
  const error = isKnown
    ? `${path} takes ${methods}, not ${method}`
    : `no route for ${path.slice(0, 200)}`;
  return {
    status: isKnown ? 405 : 404,
    contentType,
    ...(isKnown && { headers: { allow: methods } }),
    body: JSON.stringify({ error, requestId }),
  };
}
