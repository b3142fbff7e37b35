import {
  definedOf,
  foreignAnswerError,
  retryAfterMsFrom,
  unreachableError,
} from "@tensorgate/client-core";
import { cutText, errorByReason, type ScoringError } from "@tensorgate/core";

/** A failure in the gateway's REST API. @see RFC 9457 */
interface Problem {
  readonly type?: string;
  readonly reason?: string;
  readonly detail?: string;
  readonly hint?: string;
  readonly field?: string;
  readonly retryAfterMs?: number;
}

/** A failure in Connect. @see Connect protocol, "Error End-Stream" */
interface ConnectFailure {
  readonly message?: string;
  readonly details?: readonly { readonly type?: string; readonly debug?: unknown }[];
}

/** Converts the response of a failed call to a ScoringError, also a response that is not from a gateway. */
export async function answerError(response: Response): Promise<ScoringError> {
  const text = await response.text().catch(() => "");
  const problem = problemFrom(text);
  if (problem?.reason !== undefined) {
    const { reason, detail = "", hint, field, retryAfterMs } = problem;
    return errorByReason(reason, {
      message: detail,
      grpcCode: 2,
      cause: response,
      ...definedOf({ hint, field, retryAfterMs }),
    });
  }
  const retryAfterMs = retryAfterMsFrom(response.headers.get("retry-after"), Date.now());
  return foreignAnswerError(response.status, {
    text: `the response of ${cutText(response.url, maxUrlChars)} is not from a gateway (HTTP ${response.status}): ${excerpt(text)}`,
    cause: response,
    ...definedOf({ retryAfterMs }),
  });
}

/** Returns the error for a response that cannot be read. */
export function unreadableError(url: URL, cause: unknown): ScoringError {
  const why = cause instanceof Error ? cause.message : String(cause);
  const text = `the response of ${cutText(url.href, maxUrlChars)} is not from a gateway: ${why}`;
  return foreignAnswerError(200, { text, cause });
}

/** Converts an error of `fetch` or of reading its response; browsers do not give the reason. */
export function fetchError(url: URL, thrown: unknown): ScoringError {
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  return unreachableError(`${url.origin}: ${text}`, { hint: hintFor(url), cause: thrown });
}

function hintFor({ protocol, origin }: URL): string {
  if (typeof navigator !== "undefined" && navigator.onLine === false)
    return "the browser is offline";
  const page = typeof location === "undefined" ? undefined : location;
  if (page?.protocol === "https:" && protocol === "http:") {
    return "a page loaded over https cannot call http; set up TLS at the gateway";
  }
  if (page && page.origin !== origin) {
    return `check that it runs, that its certificate is trusted, and that crossSite.origins lists ${page.origin}`;
  }
  return "check that the gateway runs";
}

function problemFrom(text: string): Problem | undefined {
  try {
    const value = JSON.parse(text) as Problem & ConnectFailure;
    if (value.type?.startsWith("urn:tensorgate:")) return value;
    return connectProblem(value);
  } catch {
    return undefined;
  }
}

function connectProblem({ message = "", details = [] }: ConnectFailure): Problem | undefined {
  const debug = <Detail>(type: string) =>
    details.find((each) => each.type === type)?.debug as Detail | undefined;
  const info = debug<{ reason?: string; domain?: string; metadata?: Problem }>(
    "google.rpc.ErrorInfo",
  );
  if (info?.domain !== "tensorgate" || info.reason === undefined) return undefined;
  const retry = debug<{ retryDelay?: string }>("google.rpc.RetryInfo");
  const seconds = Number.parseFloat(retry?.retryDelay ?? "");
  return {
    reason: info.reason,
    detail: message,
    ...info.metadata,
    ...(Number.isFinite(seconds) && { retryAfterMs: seconds * 1_000 }),
  };
}

/** Most characters of a page that are searched for text: removing the tags of a long page takes long. */
const maxExcerptChars = 2_000;

/** Most characters of a URL in a message. */
const maxUrlChars = 200;

function excerpt(text: string): string {
  return text
    .slice(0, maxExcerptChars)
    .replace(/<[^>]*>|\s+/g, " ")
    .trim()
    .slice(0, 120);
}
