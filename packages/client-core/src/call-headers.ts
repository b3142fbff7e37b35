import { cutText, InvalidRequestError, UnauthenticatedError } from "@tensorgate/core";
import type { ApiKey, CallOptions } from "./options.ts";

/** What every call of a client is sent with. */
export interface SentWithEveryCall {
  readonly apiKey: ApiKey | undefined;
  readonly headers: Readonly<Record<string, string>>;
}

/** What a key may be made of: anything else is no key, or would end the header. */
const keyText = /^[!-~]+$/;

/** Most characters of a header's name that a message shows. */
const maxNameChars = 80;

/** @see RFC 9110, "Field Values" */
const headerText = /^[\t -~\x80-\xff]*$/;

/**
 * The headers of a call.
 *
 * @throws UnauthenticatedError if there is no key to be had
 * @throws InvalidRequestError for a text that no header takes; never with the text, which may be a secret
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
    ...(residency && { "x-tensorgate-residency": residency.join(",") }),
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

/** Files and environments like to end in a new line; an empty text is no key. */
async function keyFrom(apiKey: ApiKey | undefined): Promise<string | undefined> {
  let key: string | undefined;
  try {
    key = (typeof apiKey === "function" ? await apiKey() : apiKey)?.trim();
  } catch (cause) {
    throw new UnauthenticatedError("the key could not be got", {
      hint: `apiKey is a function that failed: ${cause instanceof Error ? cause.message : cause}`,
      cause,
    });
  }
  if (!key || keyText.test(key)) return key;
  throw new UnauthenticatedError("the key holds characters that no key has", {
    hint: "did a page come in its place?",
  });
}
