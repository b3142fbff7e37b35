import type { ScoringError } from "@tensorgate/core";

/** A line for whoever watches, on standard error: standard output is for answers. */
export function note(line: string): void {
  process.stderr.write(`tensorgate: ${line}\n`);
}

/** The caller got only the request id: the cause goes here. */
export function logInternalError(error: ScoringError, requestId: string): void {
  const { cause } = error;
  const detail = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
  note(`internal error of request ${requestId}: ${detail}`);
}
