import { ScoringError } from "@tensorgate/core";
import { CommandError } from "./command-error.ts";

/**
 * Says why a call to a gateway failed, and what to do about it.
 *
 * The messages of the client name its methods, and the hints of a gateway the paths and headers of its HTTP API; those
 * who use the command know neither.
 */
export function failureText(error: Error): string {
  if (!ScoringError.is(error)) return error.message;
  const { message, hint, reason } = error;
  const { method } = error as { readonly method?: string };
  const isNamed = method !== undefined && message.startsWith(method);
  const whole = isNamed ? message.slice(message.indexOf(": ") + 2) : message;
  const written = hint === undefined ? "" : `. Hint: ${hint}`;
  const text = whole.endsWith(written) ? whole.slice(0, whole.length - written.length) : whole;
  const advice = reason === "unauthenticated" ? keyAdvice(hint) : hint;
  return advice === undefined
    ? text
    : `${text}; ${advice.replace("/v1/catalog", "tensorgate models")}`;
}

/** What is wrong with the connection is not for the caller's key to mend. */
function keyAdvice(hint = ""): string {
  return hint.includes("TLS") ? hint : "set --key or TENSORGATE_API_KEY";
}

/** Makes a call to a gateway. @throws CommandError if it fails */
export async function orCommandError<Answer>(call: () => Promise<Answer>): Promise<Answer> {
  try {
    return await call();
  } catch (thrown) {
    throw ScoringError.is(thrown)
      ? new CommandError(failureText(thrown), { cause: thrown })
      : thrown;
  }
}
