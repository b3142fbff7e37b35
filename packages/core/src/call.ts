import type { Deadline } from "./deadline.ts";
import type { StageTimes } from "./stage-times.ts";

/** What travels beside a request: how long it may take, whether the caller still waits, where it wants to go. */
export interface CallContext {
  /** Given by the caller or made by us; printable ASCII, at most 128 characters. */
  readonly requestId: string;
  readonly deadline: Deadline;
  /** Aborts with a `ScoringError` as its reason when the caller cancels or the deadline passes. */
  readonly signal: AbortSignal;
  readonly wishes: RoutingWishes;
  readonly times: StageTimes;
}

/** What a caller asks of the router. */
export interface RoutingWishes {
  /** Region to prefer. */
  readonly region?: string;
  /** Regions the call may be served in; never left, whatever fails. */
  readonly residency?: readonly string[];
}
