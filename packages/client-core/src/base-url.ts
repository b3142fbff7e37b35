import { InvalidRequestError } from "@tensorgate/core";

/** What is looked at of a URL; the class itself is the platform's. */
interface UrlParts {
  readonly protocol: string;
  readonly username: string;
  readonly password: string;
}

/**
 * A URL that a gateway can be at.
 *
 * @param url - what `text` was read as; undefined where it is no URL
 * @throws InvalidRequestError if it is none of HTTP, or holds a password, which would be shown in messages
 */
export function gatewayUrl<Url extends UrlParts>(text: string, url: Url | undefined): Url {
  if (url?.protocol !== "http:" && url?.protocol !== "https:") {
    const isHost = /^[\w.[\]-]+(:\d+)?$/.test(text);
    const meant = isHost ? `is it http://${text}?` : "such as http://127.0.0.1:8080";
    throw baseUrlError(`baseUrl must be an http or https URL, got "${text}"`, meant);
  }
  if (url.username || url.password) {
    throw baseUrlError("baseUrl must not hold a name or a password", "give an apiKey");
  }
  return url;
}

function baseUrlError(message: string, hint: string): InvalidRequestError {
  return new InvalidRequestError(`${message}. Hint: ${hint}`, { field: "baseUrl", hint });
}
