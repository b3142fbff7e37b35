import { cutText, InvalidRequestError, UnauthenticatedError } from "@tensorgate/core";
import { checkedNames } from "./arguments.ts";
import type { ApiKey, CallOptions } from "./options.ts";

/** The key and the headers that a client sends with every call. */
export interface SentWithEveryCall {
  readonly apiKey: ApiKey | undefined;
  readonly headers: Readonly<Record<string, string>>;
}

/** Characters that a key may contain; others would end the header. */
const keyText = /^[!-~]+$/;

/** Most characters of a header's name that a message shows. */
const maxNameChars = 80;

/** @see RFC 9110, "Field Values" */
const headerText = /^[\t -~\x80-\xff]*$/;

/**
 * Returns the headers of a call.
 *
 * @throws UnauthenticatedError if the key is not available
 * @throws InvalidRequestError for a value that no header may contain; without the value, which may be a secret
 */
export async function headersFrom(
  { apiKey, headers }: SentWithEveryCall,
  options: CallOptions,
  requestId: string,
): Promise<Readonly<Record<string, string>>> {
  const key = await keyFrom(apiKey);
  const { region, residency, priority, noStore } = options;
  const all: Readonly<Record<string, string>> = {
    "x-request-id": requestId,
    ...(key && { authorization: `Bearer ${key}` }),
    ...(region !== undefined && { "x-tensorgate-region": region }),
    ...(residency && { "x-tensorgate-residency": checkedNames("residency", residency).join() }),
    ...(priority && { "x-tensorgate-priority": priority }),
    ...(noStore && { "cache-control": "no-store" }),
    ...headers,
    ...options.headers,
  };
  for (const [field, value] of Object.entries(all)) {
    if (headerText.test(value)) continue;
    const shown = cutText(field, maxNameChars);
    throw new InvalidRequestError(
      `header ${shown} contains characters that no header may contain`,
      {
        field: shown,
      },
    );
  }
  return all;
}

/** Trims the key, since files and variables often end with a line break; an empty text counts as no key. */
async function keyFrom(apiKey: ApiKey | undefined): Promise<string | undefined> {
  let key: string | undefined;
  try {
    key = (typeof apiKey === "function" ? await apiKey() : apiKey)?.trim();
  } catch (cause) {
    throw new UnauthenticatedError("the API key is not available", {
      hint: `the function apiKey failed: ${cause instanceof Error ? cause.message : cause}`,
      cause,
    });
  }
  if (!key || keyText.test(key)) return key;
  throw new UnauthenticatedError("the API key contains characters that no key may contain", {
    hint: "check that apiKey returns the key, not a page",
  });
}
