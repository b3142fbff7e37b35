import type { ApiKey, CommonClientOptions } from "@tensorgate/client-core";
import type { ClockAndRandom } from "@tensorgate/core";

/** Whether a large picture is made smaller before it is sent. */
export type Fit = "auto" | "off";

/** Settings of a client. */
export interface WebClientOptions extends CommonClientOptions {
  /** URL of the gateway; the page's origin by default. */
  readonly baseUrl?: string | URL;
  /**
   * A function that fetches the key of the user. A string can be read by every user of the page, so it requires
   * `dangerouslyAllowBrowser`.
   */
  readonly apiKey?: ApiKey;
  /** @default false */
  readonly dangerouslyAllowBrowser?: boolean;
  /**
   * "auto" makes pictures smaller that are over a megabyte, or over twice as large as the model needs; "off" sends the
   * bytes unchanged.
   * @default "auto"
   */
  readonly fit?: Fit;
  /** Replaces the page's `fetch`. */
  readonly fetch?: typeof fetch;
  /** Clock and random numbers, for tests. */
  readonly clockAndRandom?: ClockAndRandom;
}

/** Further options of a call with a picture. */
export interface PictureOptions {
  readonly fit?: Fit;
}
