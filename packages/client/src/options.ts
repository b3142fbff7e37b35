import type { Transport } from "@connectrpc/connect";
import type { ApiKey, CommonClientOptions } from "@tensorgate/client-core";
import type { ClockAndRandom } from "@tensorgate/core";

/** What a client is told once. */
export interface ClientOptions extends CommonClientOptions {
  /** Where the gateway is; `TENSORGATE_URL`, or `http://127.0.0.1:8080`, by default. */
  readonly baseUrl?: string | URL;
  /** `TENSORGATE_API_KEY` by default. Sent as `authorization: Bearer …`. */
  readonly apiKey?: ApiKey;
  /**
   * Connect over HTTP/1.1, which passes every proxy, or gRPC over one HTTP/2 connection; or one of your own.
   * @default "connect"
   */
  readonly transport?: "connect" | "grpc" | Transport;
  /** Time and chance, for tests. */
  readonly clockAndRandom?: ClockAndRandom;
}
