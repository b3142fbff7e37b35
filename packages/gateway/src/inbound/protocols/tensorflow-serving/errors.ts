import type { ScoringError } from "@tensorgate/core";
import { restErrorBody } from "@tensorgate/tf-serving";
import type { Exchange } from "../../server/exchange.ts";
import type { HttpAnswer } from "../http-handler.ts";
import type { HttpBody } from "../negotiation.ts";

/** An error in TensorFlow Serving's own form. */
export function servingErrorBody(error: ScoringError): HttpBody {
  return { contentType: "application/json", body: restErrorBody(error.message) };
}

/**
 * The answer to a request below `/v1/models` that no route takes, in TensorFlow Serving's words.
 *
 * @returns undefined for any other path
 */
export function unroutedServingAnswer({ method, path, target }: Exchange): HttpAnswer | undefined {
  if (!/^\/v1\/models(\/|$)/i.test(path)) return undefined;
  const isList = method === "GET" && /^\/v1\/models$/i.test(target);
  return {
    status: 400,
    contentType: "application/json",
    body: restErrorBody(
      isList ? "Missing model name in request." : `Malformed request: ${method} ${target}`,
    ),
  };
}
