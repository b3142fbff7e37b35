import type { ConsideredRegion } from "@tensorgate/core";
import type { Refusal } from "../events.ts";
import { mayHave } from "../replicas/replica.ts";
import type { OpenRequest, Pool, PoolSurvey, Room } from "../state.ts";

/** A pool of the request's model, and what its replicas add up to for the request. */
export interface SurveyedPool {
  readonly pool: Pool;
  readonly survey: PoolSurvey;
}

/** Where a request is to wait, or why it cannot. */
export interface Selection {
  /** Undefined where there is none. */
  readonly pool: Pool | undefined;
  /** Regions where the request may be served. */
  readonly considered: readonly Candidate[];
}

export interface Candidate extends SurveyedPool {
  readonly expectedWaitMs: number;
  /** What the choice is made by, in milliseconds; negative for the region that the caller wishes for. */
  readonly costMs: number;
  /** Whether it could be answered there before its deadline. */
  readonly isReachable: boolean;
  readonly room: Room;
  /** Whether too much failed there already. */
  readonly isLeft: boolean;
  /**
   * The lower the better: 0 for a region that serves, 1 for one where too much failed, 2 for one of which more is known in
   * a moment; Infinity for the others.
   */
  readonly tier: number;
}

/** Failures in a region after which a request looks elsewhere. */
const maxFailuresInRegion = 2;
/** A region is left for one that is better by at least this, in milliseconds. */
const minHysteresisMs = 5;
/** The same as a share of the round trip to the other region. */
const hysteresisShare = 0.2;

/**
 * Chooses the region that a request goes to: the one that the caller wishes for, else the one where the way and the
 * wait take least. Residency is never left, whatever fails.
 *
 * @param usedRegion - where the last request of the model went: it is left only for something clearly better
 */
export function selectRegion(
  request: OpenRequest,
  pools: readonly SurveyedPool[],
  usedRegion: string,
): Selection {
  const considered: Candidate[] = [];
  let hasOwn = false;
  for (const each of pools) {
    if (!mayGoTo(request, each.pool)) continue;
    considered.push(candidateOf(request, each, usedRegion));
    if (each.survey.canServe && !each.pool.isRemote) hasOwn = true;
  }
  let best: Candidate | undefined;
  for (const each of considered) {
    const isOpen = each.room === "open" || (each.room === "tight" && !hasOwn);
    if (!isOpen || !each.isReachable || each.tier === Number.POSITIVE_INFINITY) continue;
    const isBetter =
      !best || each.tier < best.tier || (each.tier === best.tier && each.costMs < best.costMs);
    if (isBetter) best = each;
  }
  return { pool: best?.pool, considered };
}

/** Whether a request may be served in the region of a pool at all. */
export function mayGoTo(
  request: {
    readonly residency?: readonly string[] | undefined;
    readonly isForwarded?: boolean | undefined;
  },
  { region, hasGateway }: Pool,
): boolean {
  const { residency, isForwarded } = request;
  if (residency && !residency.includes(region)) return false;
  // One hop: what a gateway sent here is not sent on.
  return !isForwarded || !hasGateway;
}

function candidateOf(
  request: OpenRequest,
  { pool, survey }: SurveyedPool,
  usedRegion: string,
): Candidate {
  const { nowMs, roundTripMs, canServe, isHopeful, fastestMs } = survey;
  const expectedWaitMs = pool.expectedWaitMs(request.rank, survey);
  const isUsed = pool.region === usedRegion;
  const isLeft = (request.failures.get(pool.region) ?? 0) >= maxFailuresInRegion;
  const unknownTier = isHopeful ? 2 : Number.POSITIVE_INFINITY;
  return {
    pool,
    survey,
    expectedWaitMs,
    costMs: pool.region === request.region ? -1 : costMs({ roundTripMs, expectedWaitMs, isUsed }),
    isReachable: !canServe || nowMs + roundTripMs + fastestMs <= request.deadlineMs,
    room: pool.room(request, survey),
    isLeft,
    tier: canServe ? Number(isLeft) : unknownTier,
  };
}

export interface RegionCost {
  /** Way there and back, in milliseconds. */
  readonly roundTripMs: number;
  /** Until a replica begins with a new request, in milliseconds. */
  readonly expectedWaitMs: number;
  /** Whether requests go there already. */
  readonly isUsed: boolean;
}

/** What a request costs in a region, in milliseconds: the way, the wait, and a lead for the region that is used. */
export function costMs({ roundTripMs, expectedWaitMs, isUsed }: RegionCost): number {
  const hysteresisMs = isUsed ? 0 : Math.max(minHysteresisMs, hysteresisShare * roundTripMs);
  return roundTripMs + expectedWaitMs + hysteresisMs;
}

/** Why a request can go nowhere. */
export function refusalFor(
  request: OpenRequest,
  pools: readonly Pool[],
  considered: readonly Candidate[],
): Refusal {
  if (request.lastFailed) {
    return request.lastFailed.failure === "full" ? "overloaded" : "attempt-failed";
  }
  if (pools.length > 0 && considered.length === 0) return "residency";
  const serving = considered.filter(({ survey }) => survey.canServe);
  if (serving.some(({ room }) => room !== "open")) return "overloaded";
  if (serving.length > 0) return "deadline";
  const replicas = considered.flatMap(({ pool }) => [...pool.replicas.values()]);
  const able = replicas.filter(({ versions }) => mayHave(versions, request));
  if (replicas.length > 0 && able.length === 0) return "unknown-version";
  const isLoading = able.some((each) => each.state(0) === "warming");
  return isLoading ? "model-not-ready" : "no-replica";
}

/** What the caller of a request sees of a region that was considered. */
export function traceOf(each: Candidate, isChosen: boolean): ConsideredRegion {
  const { expectedWaitMs, survey } = each;
  const leftOut = isChosen ? undefined : whyLeftOut(each);
  return {
    region: each.pool.region,
    roundTripMs: survey.roundTripMs,
    isChosen,
    ...(Number.isFinite(expectedWaitMs) && { expectedWaitMs }),
    ...(Number.isFinite(each.costMs) && each.costMs >= 0 && { costMs: each.costMs }),
    ...(leftOut !== undefined && { leftOut }),
  };
}

function whyLeftOut({ survey, room, isReachable, isLeft }: Candidate): string | undefined {
  if (!survey.canServe) return survey.isHopeful ? "being probed" : "no replica available";
  if (room !== "open") return "overloaded";
  if (!isReachable) return "too far away for the deadline";
  return isLeft ? "two connections lost there" : undefined;
}
