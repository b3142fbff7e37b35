import type { ClientEvent } from "./client-event.ts";

/** A key, or a function that returns one; it is called for every attempt. */
export type ApiKey = string | (() => string | Promise<string>);

/** Settings of a client on any platform. */
export interface CommonClientOptions {
  /**
   * Time limit of one attempt, in milliseconds.
   * @default 10_000
   */
  readonly timeoutMs?: number;
  /**
   * Time limit of a call with all attempts and waits, in milliseconds.
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
  /** Called with every attempt, every wait before a retry, and every response or failure. */
  readonly onEvent?: (event: ClientEvent) => void;
}

export const commonClientDefaults: Required<
  Pick<CommonClientOptions, "timeoutMs" | "deadlineMs" | "maxRetries">
> = { timeoutMs: 10_000, deadlineMs: 30_000, maxRetries: 2 };

/** Options of any call. */
export interface CallOptions {
  /** Version of the model; the latest by default. */
  readonly version?: bigint | number | string;
  /** A name for a version, such as "stable". */
  readonly versionLabel?: string;
  /** Region to prefer. */
  readonly region?: string;
  /** Regions that may serve the call; no other region gets it, whatever fails. */
  readonly residency?: readonly string[];
  /** Priority under overload: calls of a lower priority are shed first. */
  readonly priority?: "critical" | "normal" | "batch";
  /** Aborts the call, also while it waits. */
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
  readonly deadlineMs?: number;
  readonly maxRetries?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Echoed in the response, and written to the gateway's log; generated if missing. */
  readonly requestId?: string;
  /** Bypasses the response cache and request coalescing. */
  readonly noStore?: boolean;
}

export interface ClassifyOptions extends CallOptions {
  /** Maximum number of labels; 5 by default. */
  readonly topK?: number;
  /** Labels with a lower score are left out. */
  readonly minScore?: number;
}

export interface DetectOptions extends CallOptions {
  /** Boxes must score more than this. */
  readonly minScore?: number;
  /** Overlap (IoU) above which the worse of two boxes of a class is dropped. */
  readonly iouThreshold?: number;
  /** Number of best boxes that are compared for overlap. */
  readonly maxCandidates?: number;
  readonly maxDetections?: number;
}

export interface PredictOptions extends CallOptions {
  /** Names of the outputs to return; all by default. */
  readonly outputs?: readonly string[];
  readonly signature?: string;
}

/** Options for scoring many inputs. */
export interface ManyOptions {
  /**
   * Inputs that are scored concurrently.
   * @default 8
   */
  readonly concurrency?: number;
}
