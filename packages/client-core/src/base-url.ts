import { cutText, InvalidRequestError } from "@tensorgate/core";

/** The properties of a URL that are checked; the class itself is the platform's. */
interface UrlProperties {
  readonly protocol: string;
  readonly username: string;
  readonly password: string;
}

/** Most characters of a URL that a message shows. */
const maxShownChars = 200;

/**
 * Checks the URL of a gateway.
 *
 * @param url - `text` as a URL; undefined where it is not one
 * @throws InvalidRequestError if it is not of HTTP, or contains a password, which messages would show
 */
export function gatewayUrl<Url extends UrlProperties>(text: string, url: Url | undefined): Url {
  if (url?.protocol !== "http:" && url?.protocol !== "https:") {
    const isHost = /^[\w.[\]-]+(:\d+)?$/.test(text);
    const shown = cutText(text, maxShownChars);
    const hint = isHost ? `did you mean http://${shown}?` : "such as http://127.0.0.1:8080";
    throw baseUrlError(`baseUrl must be an http or https URL, got "${shown}"`, hint);
  }
  if (url.username || url.password) {
    throw baseUrlError("baseUrl must not contain a user name or password", "give an apiKey");
  }
  return url;
}

function baseUrlError(message: string, hint: string): InvalidRequestError {
  return new InvalidRequestError(`${message}. Hint: ${hint}`, { field: "baseUrl", hint });
}
