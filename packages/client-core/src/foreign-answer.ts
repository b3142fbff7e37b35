import {
  DeadlineExceededError,
  type FailureDetails,
  ForbiddenError,
  QuotaExceededError,
  type ScoringError,
  TooLargeError,
  UnauthenticatedError,
  UpstreamAnsweredError,
  UpstreamFailedError,
} from "@tensorgate/core";

/** Details of a response that does not come from a gateway. */
export interface ForeignAnswer {
  /** The request and the response, in a few words. */
  readonly text: string;
  readonly retryAfterMs?: number;
  readonly cause?: unknown;
}

/** Statuses that are retried: a proxy sends them while a gateway is briefly unavailable. */
const passing: ReadonlySet<number> = new Set([408, 425, 500, 502, 503]);

/**
 * Returns the error for a response that is not from a gateway: from a proxy, or from another server at a wrong URL.
 *
 * @param status - of HTTP
 */
export function foreignAnswerError(status: number, { text, ...rest }: ForeignAnswer): ScoringError {
  const details: FailureDetails = { hint: "check that the URL is that of a gateway", ...rest };
  if (passing.has(status)) return new UpstreamFailedError(text, { ...details, wasLost: true });
  switch (status) {
    case 401:
      return new UnauthenticatedError(text, { ...details, hint: "set apiKey" });
    case 403:
      return new ForbiddenError(text, details);
    case 413:
      return new TooLargeError(text, {
        ...details,
        hint: "a proxy rejects pictures of that size; send a smaller one, or raise its limit",
      });
    case 429:
      return new QuotaExceededError(text, details);
    case 504:
      return new DeadlineExceededError(text, details);
    default:
      return new UpstreamAnsweredError(text, 2, details);
  }
}

/** Returns the error for a gateway that does not respond. */
export function unreachableError(text: string, details: FailureDetails = {}): UpstreamFailedError {
  return new UpstreamFailedError(`the gateway cannot be reached: ${text}`, {
    wasLost: true,
    hint: "check the URL, and that a gateway runs there; tensorgate demo starts one",
    ...details,
  });
}
