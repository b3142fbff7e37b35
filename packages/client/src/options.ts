import type { Transport } from "@connectrpc/connect";
import type { ApiKey, CommonClientOptions } from "@tensorgate/client-core";
import type { ClockAndRandom } from "@tensorgate/core";

/** Settings of a client. */
export interface ClientOptions extends CommonClientOptions {
  /** URL of the gateway; `TENSORGATE_URL`, or `http://127.0.0.1:8080`, by default. */
  readonly baseUrl?: string | URL;
  /** `TENSORGATE_API_KEY` by default. Sent as `authorization: Bearer …`. */
  readonly apiKey?: ApiKey;
  /**
   * Connect over HTTP/1.1, which passes every proxy, gRPC over one HTTP/2 connection, or a custom transport.
   * @default "connect"
   */
  readonly transport?: "connect" | "grpc" | Transport;
  /** Clock and random numbers, for tests. */
  readonly clockAndRandom?: ClockAndRandom;
}
