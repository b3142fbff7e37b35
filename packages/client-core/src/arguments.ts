import { cutText, InvalidRequestError } from "@tensorgate/core";
import { type Defined, definedOf } from "./defined-of.ts";
import { classNameOf } from "./input-bytes.ts";
import type { CallOptions } from "./options.ts";

/** Most characters of a text that a message shows: it may be a whole picture, or a secret in the wrong place. */
const maxShownChars = 40;

/** Returns a value for a message: a text in quotes and cut, the class of an object. */
export function shown(value: unknown): string {
  if (typeof value === "string") return `"${cutText(value, maxShownChars)}"`;
  return Object(value) === value ? classNameOf(value) : String(value);
}

/** Creates the error for an argument that is not what it must be. */
export function argumentError(
  field: string,
  range: string,
  value: unknown,
  hint?: string,
): InvalidRequestError {
  return new InvalidRequestError(`${field} must be ${range}, got ${shown(value)}`, {
    field,
    ...(hint !== undefined && { hint }),
  });
}

/** Options that are shares of one; the other numbers count something. */
const shares = /^(minScore|iouThreshold)$/;

/**
 * Returns the numbers that are set.
 *
 * @throws InvalidRequestError for a share out of 0 to 1, or a count that is not a whole number of 1 or more
 */
export function checkedNumbers<Numbers extends object>(numbers: Numbers): Defined<Numbers> {
  const set = definedOf(numbers);
  for (const [name, value] of Object.entries<unknown>(set)) {
    const isShare = shares.test(name);
    const number = typeof value === "number" ? value : Number.NaN;
    if (isShare ? number >= 0 && number <= 1 : number > 0 && number % 1 === 0) continue;
    throw argumentError(name, isShare ? "from 0 to 1" : "a whole number of 1 or more", value);
  }
  return set;
}

/** Returns a copy of a list of names. @throws InvalidRequestError if it is not one, such as a single name */
export function checkedNames(field: string, names: readonly string[]): string[] {
  if (Array.isArray(names) && names.every((name) => typeof name === "string")) return [...names];
  throw argumentError(field, "a list of names", names);
}

/** @throws InvalidRequestError if it is not a text with a name */
export function assertName(field: "model" | "region", name: unknown): void {
  if (typeof name !== "string" || name === "") {
    throw argumentError(field, `the name of a ${field}`, name);
  }
}

/** The options of all calls: one of another call is harmless, a misspelt one is not. */
const callOptionNames =
  "version versionLabel region residency priority signal timeoutMs deadlineMs maxRetries headers requestId noStore topK minScore iouThreshold maxCandidates maxDetections outputs signature concurrency fit";

/** The settings of all clients. */
export const clientOptionNames =
  "baseUrl apiKey timeoutMs deadlineMs maxRetries headers onEvent clockAndRandom transport dangerouslyAllowBrowser fit fetch";

/**
 * Rejects names that plain JavaScript would ignore, such as `topk`.
 *
 * @param names - those that are known, separated by spaces
 * @throws InvalidRequestError with the name
 */
export function assertKnown(what: string, given: object, names: string): void {
  const known = names.split(" ");
  const field = Object.keys(given).find((name) => !known.includes(name));
  if (field === undefined) return;
  throw new InvalidRequestError(`unknown ${what} ${shown(field)}; known: ${known.join(", ")}`, {
    field,
  });
}

/**
 * Checks the options that every call has, before its API key is fetched.
 *
 * @throws InvalidRequestError with the name of the option
 */
export function assertOptions(options: CallOptions): void {
  assertKnown("option", options, callOptionNames);
  const { region, priority, signal } = options;
  if (region !== undefined) assertName("region", region);
  if (priority && !/^(critical|normal|batch)$/.test(priority)) {
    throw argumentError("priority", "critical, normal or batch", priority);
  }
  // Signals of other realms are not instances of this one's AbortSignal.
  if (signal && !signal.addEventListener) throw argumentError("signal", "an AbortSignal", signal);
}

/**
 * Returns the version of a call as decimals, or its label; neither for the latest.
 *
 * @throws InvalidRequestError if both are set, or the version is not a whole number
 */
export function versionChoice({ version, versionLabel }: CallOptions): {
  readonly version?: string;
  readonly versionLabel?: string;
} {
  if (versionLabel !== undefined && version !== undefined) {
    throw new InvalidRequestError("set version or versionLabel, not both", { field: "version" });
  }
  if (versionLabel !== undefined) return { versionLabel };
  if (version === undefined) return {};
  const text = String(version);
  if (!/^\d{1,18}$/.test(text)) throw argumentError("version", "a whole number", version);
  return { version: text };
}
