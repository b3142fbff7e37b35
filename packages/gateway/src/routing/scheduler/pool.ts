import { codelIntervalMs, createOverload, createRequestQueue } from "./queues/request-queue.ts";
import { createPeerLatency } from "./replicas/latency.ts";
import {
  createReplica,
  isCandidate,
  type Member,
  type ScheduledReplica,
} from "./replicas/replica.ts";
import type {
  OpenRequest,
  Pool,
  PoolGroup,
  PoolSurvey,
  SchedulerSettings,
  SchedulerState,
  Slot,
} from "./state.ts";

export interface PoolDeps {
  readonly group: PoolGroup;
  readonly settings: SchedulerSettings;
  readonly state: SchedulerState;
}

/** Weight of the newest arrival in the utilisation. */
const newest = 0.02;
/** What a peer said of its queue is old after this time, in milliseconds. */
const toldForMs = 1_000;
/** A queue may be this many targets long while it is too long; what comes then is turned away. */
const admittedTargets = 5;
/** So many are a handful of callers, each of whom waits for an answer, rather than an overload. */
const shortLine = 16;
/** The same while calls are turned away. */
const sheddingTargets = 1;
/** The same for what other regions send: its way was long, and to turn it away costs it another one. */
const forwardedTargets = 10;
/** For models that take longer than an FPGA: the target as a multiple of the service time. */
const targetServices = 2.5;

export function createPool(region: string, { group, settings, state }: PoolDeps): Pool {
  const { ownRegion } = settings;
  const isRemote = region !== ownRegion;
  const believedRoundTripMs = settings.roundTripMs(ownRegion, region);
  const replicas = new Map<string, ScheduledReplica>();
  const line = createRequestQueue<OpenRequest>();
  const overload = createOverload();
  const latency = createPeerLatency();
  let shedMs = Number.NEGATIVE_INFINITY;

  function replicaOf(member: Member): ScheduledReplica {
    return createReplica(member, {
      ...settings,
      isRemote,
      roundTripMs: believedRoundTripMs,
      // Of several lanes the next free one is anybody's guess, and a server with lanes has a line for them all.
      isPaced: () => state.isPaced && !isRemote && member.parallelism === 1,
    });
  }

  /** What the gateways of the region said of their own queue, where that is not too long ago. */
  function toldWaitMs({ nowMs }: PoolSurvey, targetMs: number): number {
    let leastMs = Number.POSITIVE_INFINITY;
    for (const { isServing, expectedWait } of replicas.values()) {
      if (!isServing) continue;
      if (!expectedWait) return 0;
      const { waitMs, toldMs } = expectedWait;
      // A long queue is believed until something else is heard: a request that tried it would be refused after a whole way.
      const isGood = waitMs > targetMs || nowMs - toldMs < toldForMs;
      leastMs = Math.min(leastMs, isGood ? waitMs : 0);
    }
    return leastMs;
  }

  const pool: Pool & { hasGateway: boolean; utilisation: number } = {
    model: group.model,
    region,
    isRemote,
    group,
    line,
    overload,
    latency,
    replicas,
    hasGateway: false,
    utilisation: 0,
    setMembers: (members) => {
      const ids = new Set(members.map(({ id }) => id));
      for (const id of replicas.keys()) if (!ids.has(id)) replicas.delete(id);
      const made = members.flatMap((member) => {
        if (replicas.get(member.id)?.member.parallelism === member.parallelism) return [];
        const replica = replicaOf(member);
        replicas.set(member.id, replica);
        return [replica];
      });
      pool.hasGateway = [...replicas.values()].some(({ member }) => member.isGateway);
      return made;
    },
    survey: (nowMs, request) => {
      const found: PoolSurvey = {
        nowMs,
        servingCount: 0,
        gatewayCount: 0,
        parallelism: 0,
        slotCount: 0,
        inFlight: 0,
        busy: 0,
        capacityPerMs: 0,
        roundTripMs: Number.POSITIVE_INFINITY,
        canServe: false,
        fastestMs: Number.POSITIVE_INFINITY,
        isHopeful: false,
      };
      for (const replica of replicas.values()) {
        const { slots, member, isServing } = replica;
        const mayServe = !request || isCandidate(request, replica);
        if (!isServing) {
          if (mayServe && replica.isHopeful) found.isHopeful = true;
          continue;
        }
        const inFlight = slots.inFlight(nowMs);
        found.servingCount += 1;
        if (member.isGateway) found.gatewayCount += 1;
        found.parallelism += slots.parallelism;
        found.slotCount += slots.slotCount;
        found.inFlight += inFlight;
        found.busy += Math.min(inFlight, slots.parallelism);
        found.capacityPerMs += slots.parallelism / Math.max(slots.takenMs, 0.01);
        found.roundTripMs = Math.min(found.roundTripMs, slots.roundTripMs);
        if (!mayServe) continue;
        found.canServe = true;
        found.fastestMs = Math.min(found.fastestMs, slots.usualMs);
      }
      if (!isRemote) found.roundTripMs = 0;
      else if (found.servingCount === 0) found.roundTripMs = believedRoundTripMs;
      return found;
    },
    soonest: (nowMs, except) => {
      let best: Slot | undefined;
      for (const replica of replicas.values()) {
        if (!replica.isServing || except.has(replica)) continue;
        const atMs = replica.slots.readySinceMs(nowMs);
        if (atMs === Number.POSITIVE_INFINITY) continue;
        const isFirst = !best || atMs < best.atMs;
        if (isFirst || (atMs === best?.atMs && isBetter(replica, best.replica, nowMs))) {
          best = { replica, atMs };
        }
      }
      return best;
    },
    expectedWaitMs: (rank, survey) => {
      const { gatewayCount, parallelism, slotCount, inFlight, capacityPerMs } = survey;
      if (gatewayCount > 0) {
        const over = Math.max(0, inFlight + line.aheadOf(rank) + 1 - slotCount);
        const told = toldWaitMs(survey, pool.targetMs(survey));
        return told + (survey.roundTripMs * over) / slotCount;
      }
      if (capacityPerMs === 0) return Number.POSITIVE_INFINITY;
      return Math.max(0, line.aheadOf(rank) + inFlight - parallelism + 1) / capacityPerMs;
    },
    room: ({ rank, isForwarded }, survey) => {
      if (line.length >= settings.maxWaiting) return "full";
      const { servingCount, gatewayCount, slotCount, inFlight } = survey;
      if (servingCount > 0 && gatewayCount === servingCount) {
        // Each answer lets two go, as long as the region can do more: so many need not wait for long.
        if (inFlight + line.length >= 2 * slotCount) return "full";
        const targetMs = pool.targetMs(survey);
        const told = toldWaitMs(survey, targetMs);
        if (told > forwardedTargets * targetMs) return "full";
        // A region that has a queue already gains nothing by what another one cannot do.
        return told > targetMs ? "tight" : "open";
      }
      if (!overload.isOn || line.length < shortLine) return "open";
      // The newest come first while others are turned away, so that the rest of a long line would wait for nothing.
      const own = pool.isShedding(survey.nowMs) ? sheddingTargets : admittedTargets;
      const targets = isForwarded ? forwardedTargets : own;
      const longestMs = targets * pool.targetMs(survey);
      return pool.expectedWaitMs(rank, survey) > longestMs ? "full" : "open";
    },
    targetMs: ({ roundTripMs }) => {
      // The way to a region is no work of it.
      const workMs = Number.isNaN(latency.recentMs) ? 0 : latency.recentMs - roundTripMs;
      return Math.max(settings.codelTargetMs, targetServices * workMs);
    },
    shed: (nowMs) => {
      shedMs = nowMs;
    },
    isShedding: (nowMs) => overload.isOn && nowMs - shedMs < codelIntervalMs,
    tryTimeoutMs: ({ slots }) =>
      latency.timeoutMs(Math.max(settings.minTryTimeoutMs, 8 * slots.usualMs + slots.roundTripMs)),
    observeArrival: ({ nowMs, parallelism, busy }) => {
      if (!isRemote) overload.count("offered", nowMs);
      pool.utilisation +=
        newest * ((parallelism === 0 ? 1 : busy / parallelism) - pool.utilisation);
    },
  };
  return pool;
}

function isBetter(
  { slots: one }: ScheduledReplica,
  { slots: other }: ScheduledReplica,
  nowMs: number,
): boolean {
  const [ones, others] = [one.inFlight(nowMs), other.inFlight(nowMs)];
  return ones === others ? one.lastSentMs < other.lastSentMs : ones < others;
}
