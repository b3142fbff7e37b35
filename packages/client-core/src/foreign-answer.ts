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

/** What an answer says that is not a gateway's own. */
export interface ForeignAnswer {
  /** What was asked, and what came back, in a few words. */
  readonly text: string;
  readonly retryAfterMs?: number;
  readonly cause?: unknown;
}

/** Worth another attempt, since a proxy says them of a gateway that is away for a moment. */
const passing: ReadonlySet<number> = new Set([408, 425, 500, 502, 503]);

/**
 * The error for an answer of somebody else: a proxy in between, or whatever is at a wrong address.
 *
 * @param status - HTTP's
 */
export function foreignAnswerError(status: number, { text, ...rest }: ForeignAnswer): ScoringError {
  const details: FailureDetails = { hint: "is the URL that of a gateway?", ...rest };
  if (passing.has(status)) return new UpstreamFailedError(text, { ...details, wasLost: true });
  switch (status) {
    case 401:
      return new UnauthenticatedError(text, { ...details, hint: "give an apiKey" });
    case 403:
      return new ForbiddenError(text, details);
    case 413:
      return new TooLargeError(text, {
        ...details,
        hint: "what is in between takes no picture that large: send a smaller one, or raise its limit",
      });
    case 429:
      return new QuotaExceededError(text, details);
    case 504:
      return new DeadlineExceededError(text, details);
    default:
      return new UpstreamAnsweredError(text, 2, details);
  }
}

/** Nobody answered. */
export function unreachableError(text: string, details: FailureDetails = {}): UpstreamFailedError {
  return new UpstreamFailedError(`the gateway cannot be reached: ${text}`, {
    wasLost: true,
    hint: "is the URL right, and does something answer there? tensorgate demo starts one",
    ...details,
  });
}
