import type { Transport } from "@connectrpc/connect";
import type { ClockAndRandom } from "@tensorgate/core";

/** A key, or where it comes from; asked anew for every call. */
export type ApiKey = string | (() => string | Promise<string>);

/** What a client is told once. */
export interface ClientOptions {
  /** Where the gateway is; `TENSORGATE_URL`, or `http://127.0.0.1:8080`, by default. */
  readonly baseUrl?: string | URL;
  /** `TENSORGATE_API_KEY` by default. Sent as `authorization: Bearer …`. */
  readonly apiKey?: ApiKey;
  /**
   * Connect over HTTP/1.1, which passes every proxy, or gRPC over one HTTP/2 connection; or one of your own.
   * @default "connect"
   */
  readonly transport?: "connect" | "grpc" | Transport;
  /**
   * How long one attempt may take, in milliseconds.
   * @default 10_000
   */
  readonly timeoutMs?: number;
  /**
   * How long a call may take, all attempts and the waits between them, in milliseconds.
   * @default 30_000
   */
  readonly deadlineMs?: number;
  /**
   * Attempts after the first.
   * @default 2
   */
  readonly maxRetries?: number;
  /** Sent with every call. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Told before a call is tried again. */
  readonly onRetry?: (event: RetryEvent) => void;
  /** Time and chance, for tests. */
  readonly clockAndRandom?: ClockAndRandom;
}

export interface RetryEvent {
  readonly method: string;
  readonly model: string;
  readonly requestId: string;
  /** Why the last attempt failed. */
  readonly reason: string;
  readonly delayMs: number;
}

export const clientDefaults: Required<
  Pick<ClientOptions, "timeoutMs" | "deadlineMs" | "maxRetries" | "transport">
> = { timeoutMs: 10_000, deadlineMs: 30_000, maxRetries: 2, transport: "connect" };

/** What any call can be told. */
export interface CallOptions {
  /** A version of the model; the latest without it. */
  readonly version?: bigint | number | string;
  /** A name for a version, such as "stable". */
  readonly versionLabel?: string;
  /** Region to prefer. */
  readonly region?: string;
  /** Regions that the call may be served in; never left, whatever fails. */
  readonly residency?: readonly string[];
  /** Ends the call, whatever it is at. */
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
  readonly deadlineMs?: number;
  readonly maxRetries?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Comes back, and is in the gateway's log; made where it is absent. */
  readonly requestId?: string;
  /** Takes no answer that was kept, and leaves none. */
  readonly noStore?: boolean;
}

export interface ClassifyOptions extends CallOptions {
  /** How many labels; 5 unless given. */
  readonly topK?: number;
  /** Labels with a lower score are left out. */
  readonly minScore?: number;
}

export interface DetectOptions extends CallOptions {
  /** Boxes must score more than this. */
  readonly minScore?: number;
  /** Overlap from which the better of two boxes of a class is kept. */
  readonly iouThreshold?: number;
  /** Best boxes that are looked at for overlaps. */
  readonly maxCandidates?: number;
  readonly maxDetections?: number;
}

export interface PredictOptions extends CallOptions {
  /** Outputs to bring back; all of them without it. */
  readonly outputs?: readonly string[];
  readonly signature?: string;
}
