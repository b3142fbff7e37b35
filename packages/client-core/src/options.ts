import type { ClientEvent } from "./client-event.ts";

/** A key, or where it comes from; asked anew for every attempt. */
export type ApiKey = string | (() => string | Promise<string>);

/** What a client of any platform is told once. */
export interface CommonClientOptions {
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
  /** Told of every attempt, of every wait before another, and of every end. */
  readonly onEvent?: (event: ClientEvent) => void;
}

export const commonClientDefaults: Required<
  Pick<CommonClientOptions, "timeoutMs" | "deadlineMs" | "maxRetries">
> = { timeoutMs: 10_000, deadlineMs: 30_000, maxRetries: 2 };

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
  /** How much it matters when there is more to do than can be done. */
  readonly priority?: "critical" | "normal" | "batch";
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

/** How many of many inputs are scored at the same time. */
export interface ManyOptions {
  /** @default 8 */
  readonly concurrency?: number;
}
