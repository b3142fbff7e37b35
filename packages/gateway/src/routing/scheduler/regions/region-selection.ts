import type { ConsideredRegion } from "@tensorgate/core";
import type { Refusal } from "../events.ts";
import { isCandidate, type OpenRequest, type RequestPool } from "../open-request.ts";
import type { Room } from "../pool.ts";
import { mayHave } from "../replicas/versions.ts";
import { costMs } from "./region-cost.ts";

/** Where a request is to wait, or why it cannot. */
export type Placement =
  | { readonly pool: RequestPool; readonly considered: readonly ConsideredRegion[] }
  | { readonly refusal: Refusal; readonly considered: readonly ConsideredRegion[] };

/** Failures in a region after which a request looks elsewhere. */
const mostFailuresInRegion = 2;

interface Candidate {
  readonly pool: RequestPool;
  readonly roundTripMs: number;
  readonly expectedWaitMs: number;
  readonly costMs: number;
  /** Whether a replica may get it that has not failed it. */
  readonly canServe: boolean;
  /** Whether it could be answered there before its deadline. */
  readonly isReachable: boolean;
  /** Whether a replica is being probed, so that more is known in a moment. */
  readonly isHopeful: boolean;
  readonly room: Room;
  readonly isLeft: boolean;
}

/**
 * Chooses the region that a request goes to: the one that the caller wishes for, else the one where the way and the
 * wait take least. Residency is never left, whatever fails.
 *
 * @param pools - of the request's model
 * @param usedRegion - where the last request of the model went: it is left only for something clearly better
 */
export function place(
  request: OpenRequest,
  pools: readonly RequestPool[],
  { usedRegion, nowMs }: { readonly usedRegion: string | undefined; readonly nowMs: number },
): Placement {
  const allowed = pools.filter((pool) => mayGoTo(request, pool));
  const candidates = allowed.map((pool) => candidate(request, pool, { usedRegion, nowMs }));
  const chosen = choose(candidates);
  const considered = candidates.map((each) => told(each, each.pool === chosen?.pool));
  if (chosen) return { pool: chosen.pool, considered };
  return { refusal: refusalFor(request, { pools, allowed, candidates }), considered };
}

/** Whether a request may be served in the region of a pool at all. */
export function mayGoTo(
  {
    residency,
    isForwarded,
  }: Pick<OpenRequest, "isForwarded"> & {
    readonly residency?: readonly string[] | undefined;
  },
  { region, replicas }: RequestPool,
): boolean {
  if (residency && !residency.includes(region)) return false;
  // One hop: what a gateway sent here is not sent on.
  return !isForwarded || [...replicas.values()].every(({ member }) => !member.isGateway);
}

function candidate(
  request: OpenRequest,
  pool: RequestPool,
  { usedRegion, nowMs }: { readonly usedRegion: string | undefined; readonly nowMs: number },
): Candidate {
  const roundTripMs = pool.regionRoundTripMs();
  const expectedWaitMs = pool.expectedWaitMs(request.rank, nowMs);
  const isWished = pool.region === request.region;
  const open = [...pool.replicas.values()].filter((each) => isCandidate(request, each));
  const serving = open.filter(({ isServing }) => isServing);
  const fastestMs = Math.min(...serving.map(({ slots }) => slots.usualMs));
  return {
    pool,
    ...{ roundTripMs, expectedWaitMs },
    costMs: isWished
      ? -1
      : costMs({ roundTripMs, expectedWaitMs, isUsed: pool.region === usedRegion }),
    canServe: serving.length > 0,
    isReachable: serving.length === 0 || nowMs + roundTripMs + fastestMs <= request.deadlineMs,
    isHopeful: open.some(({ isHopeful }) => isHopeful),
    room: pool.room(request, nowMs),
    isLeft: (request.failures.get(pool.region) ?? 0) >= mostFailuresInRegion,
  };
}

function choose(candidates: readonly Candidate[]): Candidate | undefined {
  const hasOwn = candidates.some(({ pool, canServe }) => canServe && !pool.isRemote);
  const open = candidates.filter(
    ({ room, isReachable }) => isReachable && (room === "open" || (room === "tight" && !hasOwn)),
  );
  const serving = open.filter(({ canServe }) => canServe);
  return (
    cheapest(serving.filter(({ isLeft }) => !isLeft)) ??
    cheapest(serving) ??
    cheapest(open.filter(({ isHopeful }) => isHopeful))
  );
}

function cheapest(candidates: readonly Candidate[]): Candidate | undefined {
  return candidates.reduce<Candidate | undefined>(
    (best, each) => (best && best.costMs <= each.costMs ? best : each),
    undefined,
  );
}

function refusalFor(
  request: OpenRequest,
  facts: {
    readonly pools: readonly RequestPool[];
    readonly allowed: readonly RequestPool[];
    readonly candidates: readonly Candidate[];
  },
): Refusal {
  const { pools, allowed, candidates } = facts;
  if (request.lastFailed)
    return request.lastFailed.failure === "full" ? "overloaded" : "attempt-failed";
  if (pools.length > 0 && allowed.length === 0) return "residency";
  const serving = candidates.filter(({ canServe }) => canServe);
  if (serving.some(({ room }) => room !== "open")) return "overloaded";
  if (serving.length > 0) return "deadline";
  const replicas = allowed.flatMap((pool) => [...pool.replicas.values()]);
  const able = replicas.filter(({ versions }) => mayHave(versions, request));
  if (replicas.length > 0 && able.length === 0) return "unknown-version";
  const isLoading = able.some((each) => each.state(0) === "warming");
  return isLoading ? "model-not-ready" : "no-replica";
}

function told(each: Candidate, isChosen: boolean): ConsideredRegion {
  const { roundTripMs, expectedWaitMs } = each;
  const leftOut = isChosen ? undefined : whyLeftOut(each);
  return {
    ...{ region: each.pool.region, roundTripMs, isChosen },
    ...(Number.isFinite(expectedWaitMs) && { expectedWaitMs }),
    ...(Number.isFinite(each.costMs) && each.costMs >= 0 && { costMs: each.costMs }),
    ...(leftOut !== undefined && { leftOut }),
  };
}

function whyLeftOut(each: Candidate): string | undefined {
  if (!each.canServe) return each.isHopeful ? "being probed" : "no replica that can serve";
  if (each.room !== "open") return "too much is waiting";
  if (!each.isReachable) return "too far for the deadline";
  return each.isLeft ? "failed twice there" : undefined;
}
