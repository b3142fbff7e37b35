import type { ConsideredRegion } from "@tensorgate/core";
import type { Rejection } from "../events.ts";
import { mayHave } from "../replicas/replica.ts";
import type { Capacity, OpenRequest, Pool, PoolSurvey } from "../state.ts";

/** A pool of the request's model, and what its replicas add up to for the request. */
export interface SurveyedPool {
  readonly pool: Pool;
  readonly survey: PoolSurvey;
}

/** The pool that a request is queued in, or why it is queued in none. */
export interface Selection {
  /** Undefined if no region can take the request. */
  readonly pool: Pool | undefined;
  /** Regions where the request may be served. */
  readonly considered: readonly Candidate[];
}

export interface Candidate extends SurveyedPool {
  /** Whether a replica there could answer before the deadline. */
  readonly isReachable: boolean;
  readonly capacity: Capacity;
  /** Whether too many attempts failed there already. */
  readonly isLeft: boolean;
  /**
   * The lowest one wins before any cost: 0 for a region that serves, 1 for one where too many attempts failed, 2 for one
   * whose replicas are being probed; Infinity for the others.
   */
  readonly tier: number;
}

/** Failures in a region after which a request goes to another one. */
const maxFailuresInRegion = 2;
/** A region is left for one that is better by at least this, in milliseconds. */
const minHysteresisMs = 5;
/** The same as a share of the round trip to the other region. */
const hysteresisShare = 0.2;

/**
 * Selects the region of a request: the one that the caller prefers, else the one with the lowest round trip and wait.
 * Never selects a region outside the residency, whatever fails.
 */
export function selectRegion(request: OpenRequest, nowMs: number): Selection {
  let considered: Candidate[] = [];
  let hasOwn = false;
  for (const pool of request.group.pools) {
    if (!isEligible(request, pool)) continue;
    const candidate = candidateOf(request, pool, pool.survey(nowMs, request));
    // Most models are in one region, and a list that grows begins with room for many.
    if (considered.length === 0) considered = [candidate];
    else considered.push(candidate);
    if (candidate.survey.canServe && !pool.isRemote) hasOwn = true;
  }
  let best: Candidate | undefined;
  for (const each of considered) {
    const isOpen = each.capacity === "open" || (each.capacity === "limited" && !hasOwn);
    if (!isOpen || !each.isReachable || each.tier === Number.POSITIVE_INFINITY) continue;
    if (!best || isBetter(request, each, best)) best = each;
  }
  return { pool: best?.pool, considered };
}

/** What limits the regions of a request. */
export interface EligibilityHints {
  readonly residency?: readonly string[] | undefined;
  readonly isForwarded?: boolean | undefined;
}

/** Whether residency and the hop limit allow a request in the region of a pool. */
export function isEligible(request: EligibilityHints, { region, hasGateway }: Pool): boolean {
  const { residency, isForwarded } = request;
  if (residency && !residency.includes(region)) return false;
  // One hop: a request that another gateway sent here is not sent to a third.
  return !isForwarded || !hasGateway;
}

function candidateOf(request: OpenRequest, pool: Pool, survey: PoolSurvey): Candidate {
  const { nowMs, roundTripMs, canServe, isProbing, fastestMs } = survey;
  const isLeft = (request.failures.get(pool.region) ?? 0) >= maxFailuresInRegion;
  const unknownTier = isProbing ? 2 : Number.POSITIVE_INFINITY;
  return {
    pool,
    survey,
    isReachable: !canServe || nowMs + roundTripMs + fastestMs <= request.deadlineMs,
    capacity: pool.capacityFor(request, survey),
    isLeft,
    tier: canServe ? Number(isLeft) : unknownTier,
  };
}

/** Whether a request should rather go to the first of two regions. */
function isBetter(request: OpenRequest, one: Candidate, other: Candidate): boolean {
  if (one.tier !== other.tier) return one.tier < other.tier;
  return costInRegion(request, one) < costInRegion(request, other);
}

/** Returns what a request costs in a region, in milliseconds; a negative number in the one that the caller prefers. */
function costInRegion({ region, rank, group }: OpenRequest, { pool, survey }: Candidate): number {
  if (pool.region === region) return -1;
  const { roundTripMs } = survey;
  const expectedWaitMs = pool.expectedWaitMs(rank, survey);
  // The region of the model's last request is left only for one that is clearly better.
  return costMs({ roundTripMs, expectedWaitMs, isUsed: pool.region === group.usedRegion });
}

export interface RegionCost {
  /** Round trip to the region, in milliseconds. */
  readonly roundTripMs: number;
  /** Until a replica begins with a new request, in milliseconds. */
  readonly expectedWaitMs: number;
  /** Whether requests go there already. */
  readonly isUsed: boolean;
}

/** Adds up what a request costs in a region, in milliseconds: round trip, wait and hysteresis. */
export function costMs({ roundTripMs, expectedWaitMs, isUsed }: RegionCost): number {
  const hysteresisMs = isUsed ? 0 : Math.max(minHysteresisMs, hysteresisShare * roundTripMs);
  return roundTripMs + expectedWaitMs + hysteresisMs;
}

/** Returns why no region can take a request. */
export function rejectionFor(
  request: OpenRequest,
  pools: readonly Pool[],
  considered: readonly Candidate[],
): Rejection {
  if (request.lastFailed) {
    return request.lastFailed.failure === "full" ? "overloaded" : "attempt-failed";
  }
  if (pools.length > 0 && considered.length === 0) return "residency";
  const serving = considered.filter(({ survey }) => survey.canServe);
  if (serving.some(({ capacity }) => capacity !== "open")) return "overloaded";
  if (serving.length > 0) return "deadline";
  const replicas = considered.flatMap(({ pool }) => [...pool.replicas.values()]);
  const able = replicas.filter(({ versions }) => mayHave(versions, request));
  if (replicas.length > 0 && able.length === 0) return "unknown-version";
  const isLoading = able.some((each) => each.state(0) === "warming");
  return isLoading ? "model-not-ready" : "no-replica";
}

/** Describes a region that was considered, for the trace that a caller asked for. */
export function traceOf(
  request: OpenRequest,
  each: Candidate,
  isChosen: boolean,
): ConsideredRegion {
  const { pool, survey } = each;
  const expectedWaitMs = pool.expectedWaitMs(request.rank, survey);
  const costMs = costInRegion(request, each);
  const leftOut = isChosen ? undefined : whyLeftOut(each);
  return {
    region: pool.region,
    roundTripMs: survey.roundTripMs,
    isChosen,
    ...(Number.isFinite(expectedWaitMs) && { expectedWaitMs }),
    ...(Number.isFinite(costMs) && costMs >= 0 && { costMs }),
    ...(leftOut !== undefined && { leftOut }),
  };
}

function whyLeftOut({ survey, capacity, isReachable, isLeft }: Candidate): string | undefined {
  if (!survey.canServe) return survey.isProbing ? "being probed" : "no replica available";
  if (capacity !== "open") return "overloaded";
  if (!isReachable) return "too far away for the deadline";
  return isLeft ? "two connections lost there" : undefined;
}
