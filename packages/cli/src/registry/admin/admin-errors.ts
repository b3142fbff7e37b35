import {
  FailedPreconditionError,
  InternalError,
  InvalidRequestError,
  ScoringError,
  UnknownModelError,
  UpstreamFailedError,
} from "@tensorgate/core";
import { RegistryError } from "@tensorgate/registry";

/**
 * Gives an error of a registry the reason that it has in the gateway's table, `docs/errors.md`.
 *
 * @param missing - makes the error for what is not found: a model by default
 */
export function scoringErrorFrom(
  thrown: unknown,
  missing: (message: string) => ScoringError = (message) => new UnknownModelError(message),
): ScoringError {
  if (ScoringError.is(thrown)) return thrown;
  // Callers are operators: they may see why a file cannot be written.
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  if (!(thrown instanceof RegistryError)) return new InternalError(thrown, text);
  const { message, reason } = thrown;
  switch (reason) {
    case "not-found":
      return missing(message);
    case "invalid":
      return new InvalidRequestError(message);
    case "conflict":
    case "in-use":
      return new FailedPreconditionError(message);
    case "remote":
      return new UpstreamFailedError(message, { cause: thrown });
    case "file":
      return new InternalError(thrown, text);
  }
}
