import type { CallObserver, StageTimes } from "./call-observer.ts";
import type { RoutingStep } from "./routing-trace.ts";

/** An instant on the monotonic clock, in milliseconds; never a wall-clock time. */
export interface Deadline {
  readonly atMs: number;
}

/** Context of a call, beside its request: deadline, cancellation, caller and routing hints. */
export interface CallContext {
  /** Given by the caller or made by us; printable ASCII, at most 128 characters. */
  readonly requestId: string;
  readonly deadline: Deadline;
  /** Aborts with a `ScoringError` as its reason when the caller cancels or the deadline passes. */
  readonly signal: AbortSignal;
  /** The caller, if keys are required. */
  readonly caller?: Caller;
  /**
   * Groups calls for fair sharing: those of a key, or, without keys, of a network.
   * Calls without it count as one caller's.
   */
  readonly fairnessKey?: string;
  readonly hints: RoutingHints;
  /** Whether the call bypasses the response cache: `cache-control: no-store`. */
  readonly noStore?: boolean;
  readonly times: StageTimes;
  /** Present if the caller, or the gateway that forwarded the call, reads it. */
  readonly routingTrace?: RoutingTrace;
  /** Observes its attempts. */
  readonly observer?: CallObserver;
  /** Trace of the attempt that is being made, as W3C writes it; sent to the replica. */
  readonly traceparent?: string;
}

/** What the router reports beside the answer; the pictures of one call add up. */
export interface RoutingTrace {
  /** Whether the caller requested the steps. */
  readonly isTraced: boolean;
  steps: readonly RoutingStep[];
  /** How long the next call would wait, in milliseconds. */
  expectedWaitMs?: number;
}

/** How much a request matters when there is more to do than can be done, most first. */
export const priorities = ["critical", "normal", "batch"] as const;

export type Priority = (typeof priorities)[number];

/** What a caller asks of the router, and what limits it. */
export interface RoutingHints {
  /** Preferred region. */
  readonly region?: string;
  /** Regions that may serve the call, whatever fails. */
  readonly residency?: readonly string[];
  /** Order in a queue; `normal` by default. */
  readonly priority?: Priority;
  /** Whether another gateway sent the call here: it is not sent to a third. */
  readonly isForwarded?: boolean;
}

/** A caller with an API key. */
export interface Caller {
  /** Name of the key, which may be logged. */
  readonly id: string;
  mayUse(modelName: string): boolean;
  /** Whether a routing trace may include the addresses of replicas. */
  readonly maySeeAddresses?: boolean;
  /** Regions that its calls may be served in, whatever a call says; everywhere without it. */
  readonly residency?: readonly string[];
}

/**
 * Returns the regions that all of several allow-lists have in common.
 *
 * @param lists - undefined for one that allows everything
 * @returns undefined where all regions are allowed; empty where none is
 */
export function commonRegions(
  ...lists: readonly (readonly string[] | undefined)[]
): readonly string[] | undefined {
  let common: readonly string[] | undefined;
  for (const list of lists) {
    common = common && list ? common.filter((region) => list.includes(region)) : (common ?? list);
  }
  return common;
}

/** Returns the call restricted to these regions; the same call if they are undefined. */
export function withinRegions(
  call: CallContext,
  regions: readonly string[] | undefined,
): CallContext {
  const residency = regions && commonRegions(call.hints.residency, regions);
  return residency ? { ...call, hints: { ...call.hints, residency } } : call;
}
