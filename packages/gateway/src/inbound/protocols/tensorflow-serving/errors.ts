import { ScoringError, UpstreamAnsweredError } from "@tensorgate/core";
import { restErrorBody, type ServingError } from "@tensorgate/tf-serving";
import type { Exchange } from "../../server/exchange.ts";
import type { HttpAnswer, HttpBody } from "../http-handler.ts";

/** An error in TensorFlow Serving's own form. */
export function servingErrorBody(error: ScoringError): HttpBody {
  return { contentType: "application/json", body: restErrorBody(error.message) };
}

/** Reports a model that no release names as TensorFlow Serving reports one that it has not loaded. */
export async function inServingWords<Answer>(
  answer: Promise<Answer>,
  unknown: ServingError,
): Promise<Answer> {
  try {
    return await answer;
  } catch (cause) {
    if (!ScoringError.is(cause) || cause.reason !== "unknown-model") throw cause;
    throw new UpstreamAnsweredError(unknown.message, unknown.grpcCode, { cause });
  }
}

/**
 * The answer to a request below `/v1/models` that no route takes, in TensorFlow Serving's words.
 *
 * @returns undefined for any other path
 */
export function unroutedServingAnswer({ method, path }: Exchange): HttpAnswer | undefined {
  if (!/^\/v1\/models(\/|$)/i.test(path)) return undefined;
  const reply = (status: number, text: string): HttpAnswer => ({
    status,
    contentType: "application/json",
    body: restErrorBody(text),
  });
  if (method === "POST" && /:(predict|classify|regress)$/.test(path)) {
    return reply(501, "not offered by this gateway; POST a picture to /v1/classify/{model}");
  }
  if (method === "GET" && /models$/i.test(path))
    return reply(400, "Missing model name in request.");
  return reply(400, `Malformed request: ${method} ${path}`);
}
