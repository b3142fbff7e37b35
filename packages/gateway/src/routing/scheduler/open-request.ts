import type { RoutingStep } from "@tensorgate/core";
import type { Arrival, AttemptFailure } from "./events.ts";
import type { Pool } from "./pool.ts";
import { type Rank, rankOf } from "./queues/rank.ts";
import type { Replica } from "./replicas/replica.ts";
import { mayHave } from "./replicas/versions.ts";

/** A request that has not ended. It waits, or attempts are under way for it, or both. */
export interface OpenRequest extends Arrival {
  readonly rank: Rank;
  readonly arrivedMs: number;
  /** When it joined the line it is in. */
  sinceMs: number;
  waitsIn: RequestPool | undefined;
  readonly underWay: Attempt[];
  /** Replicas that are not asked again. */
  readonly tried: Set<string>;
  /** What failed in each region. */
  readonly failures: Map<string, number>;
  /** Attempts that may have reached a replica and failed. */
  failedCount: number;
  /** Replicas that answered it with a failure of their own. */
  readonly failedBy: Replica[];
  /** Replicas that served others and lost their connection over this request. */
  killCount: number;
  /** The attempt that failed last. */
  lastFailed: { readonly attemptId: number; readonly failure: AttemptFailure } | undefined;
  readonly trace: RoutingStep[] | undefined;
}

export type RequestPool = Pool<OpenRequest>;

export interface Attempt {
  readonly id: number;
  readonly request: OpenRequest;
  readonly pool: RequestPool;
  readonly replica: Replica;
  sentMs: number;
  /** When the replica is believed to begin with it. */
  expectedStartMs: number;
  /** Replies of the replica before it was sent. */
  readonly repliesThen: number;
  /** Its replica is suspected for it already. */
  isOverdue: boolean;
  /** Its request was answered by another: only the replica is still of interest. */
  isLeftOver: boolean;
}

/** Whether a replica may be asked at all: it has not failed the request, and may have the version that is named. */
export function isCandidate(request: OpenRequest, { member, versions }: Replica): boolean {
  return !request.tried.has(member.id) && mayHave(versions, request);
}

/**
 * Whether a replica may have got the version that a request names since it last listed its own: it was asked for them
 * before the request came. One that has none at all is a container without versions.
 */
export function mayHaveByNow(request: OpenRequest, replica: Replica): boolean {
  const { versions, isServing, isHopeful, isProbed, probeSentMs } = replica;
  if (request.version === undefined || !versions.listed?.length) return false;
  if (mayHave(versions, request) || request.tried.has(replica.member.id)) return false;
  return (isServing || isHopeful) && (isProbed || probeSentMs < request.arrivedMs);
}

/** Whether a replica that begins now could answer before the deadline. */
export function isInTime(
  { deadlineMs }: OpenRequest,
  { slots: { roundTripMs, usualMs } }: Replica,
  nowMs: number,
): boolean {
  return nowMs + roundTripMs + usualMs <= deadlineMs;
}

export function openRequest(arrival: Arrival, nowMs: number): OpenRequest {
  return {
    ...arrival,
    // To send it to a second replica is to do it twice.
    mayHedge: arrival.mayHedge && arrival.isRepeatable,
    rank: rankOf(arrival),
    arrivedMs: nowMs,
    sinceMs: nowMs,
    waitsIn: undefined,
    underWay: [],
    tried: new Set(),
    failures: new Map(),
    failedCount: 0,
    failedBy: [],
    killCount: 0,
    lastFailed: undefined,
    trace: arrival.isTraced ? [] : undefined,
  };
}
