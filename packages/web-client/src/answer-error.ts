import { foreignAnswerError, retryAfterMsFrom, unreachableError } from "@tensorgate/client-core";
import { errorByReason, type ScoringError } from "@tensorgate/core";

/** A failure as the gateway's REST API gives it. @see RFC 9457 */
interface Problem {
  readonly type?: string;
  readonly reason?: string;
  readonly detail?: string;
  readonly hint?: string;
  readonly field?: string;
  readonly retryAfterMs?: number;
}

/** A failure as Connect gives it. @see Connect protocol, "Error End-Stream" */
interface ConnectFailure {
  readonly message?: string;
  readonly details?: readonly { readonly type?: string; readonly debug?: unknown }[];
}

/** What an answer that is a failure says, whoever gave it. */
export async function answerError(response: Response): Promise<ScoringError> {
  const text = await response.text().catch(() => "");
  const problem = problemFrom(text);
  if (problem?.reason !== undefined) {
    const { reason, detail = "", hint, field, retryAfterMs } = problem;
    return errorByReason(reason, {
      message: detail,
      grpcCode: 2,
      cause: response,
      ...(hint !== undefined && { hint }),
      ...(field !== undefined && { field }),
      ...(retryAfterMs !== undefined && { retryAfterMs }),
    });
  }
  const retryAfterMs = retryAfterMsFrom(response.headers.get("retry-after"), Date.now());
  return foreignAnswerError(response.status, {
    text: `${response.url} answered ${response.status} ${response.statusText}, as no gateway does: ${excerpt(text)}`,
    cause: response,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });
}

/** An answer that says nothing a gateway says. */
export function garbageError(url: URL, cause: unknown): ScoringError {
  const why = cause instanceof Error ? cause.message : String(cause);
  const text = `${url.href} answered what no gateway answers: ${why}`;
  return foreignAnswerError(200, { text, cause });
}

/** What `fetch` throws, or reading its answer: a browser never says why. */
export function fetchError(url: URL, thrown: unknown): ScoringError {
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  return unreachableError(`${url.origin}: ${text}`, { hint: hintFor(url), cause: thrown });
}

function hintFor({ protocol, origin }: URL): string {
  if (typeof navigator !== "undefined" && navigator.onLine === false)
    return "the browser is offline";
  const page = typeof location === "undefined" ? undefined : location;
  if (page?.protocol === "https:" && protocol === "http:") {
    return "a page that came by https may not call http: give the gateway a certificate";
  }
  if (page && page.origin !== origin) {
    return `does it run, is its certificate trusted, and is ${page.origin} listed under its crossSite.origins?`;
  }
  return "does the gateway run?";
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

/** Of a page as much as may have a sentence in it: to look for tags in all of a long one would take very long. */
const maxExcerptChars = 2_000;

function excerpt(text: string): string {
  return text
    .slice(0, maxExcerptChars)
    .replace(/<[^>]*>|\s+/g, " ")
    .trim()
    .slice(0, 120);
}
