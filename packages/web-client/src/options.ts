import type { ApiKey, CommonClientOptions } from "@tensorgate/client-core";
import type { ClockAndRandom } from "@tensorgate/core";

/** Whether a picture is made smaller before it is sent. */
export type Fit = "auto" | "off";

/** What a client is told once. */
export interface WebClientOptions extends CommonClientOptions {
  /** Where the gateway is; the page's own origin by default. */
  readonly baseUrl?: string | URL;
  /**
   * A function that gets a key for the user at hand. A key that is written here can be read by everybody who opens the
   * page: that takes `dangerouslyAllowBrowser`.
   */
  readonly apiKey?: ApiKey;
  /** @default false */
  readonly dangerouslyAllowBrowser?: boolean;
  /**
   * "auto" sends pictures that are over a megabyte, or over twice as large as the model needs, smaller; "off" sends the
   * bytes as they are.
   * @default "auto"
   */
  readonly fit?: Fit;
  /** In place of the page's own `fetch`. */
  readonly fetch?: typeof fetch;
  /** Time and chance, for tests. */
  readonly clockAndRandom?: ClockAndRandom;
}

/** What a call with a picture can be told beside the rest. */
export interface PictureOptions {
  readonly fit?: Fit;
}
