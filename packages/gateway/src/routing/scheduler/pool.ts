import { codelIntervalMs, createOverload, createRequestQueue } from "./queues/request-queue.ts";
import { createPeerLatency, waitAfter } from "./replicas/latency.ts";
import { isCandidate, type Member, ScheduledReplica } from "./replicas/replica.ts";
import { createReplicaIndex, type Slot } from "./replicas/replica-index.ts";
import type { SlotSettings } from "./replicas/slots.ts";
import {
  type OpenRequest,
  type Pool,
  type PoolGroup,
  type PoolSurvey,
  probeAt,
  type SchedulerSettings,
  type SchedulerState,
} from "./state.ts";

export interface PoolDeps {
  readonly group: PoolGroup;
  readonly settings: SchedulerSettings;
  readonly state: SchedulerState;
}

/** Weight of the newest arrival in the utilisation. */
const newest = 0.02;
/** Age above which the wait that another gateway reported no longer counts, in milliseconds. */
const maxReportAgeMs = 1_000;
/** Expected wait above which an overloaded pool rejects requests, as a multiple of the target. */
const admittedTargets = 5;
/** The same while it sheds requests. */
const sheddingTargets = 1;
/** The same for requests of other regions: each has spent a round trip, and a rejection costs it another one. */
const forwardedTargets = 10;
/** Queue length below which no request is rejected: a few callers that wait for their answers are no overload. */
const minOverloadedQueue = 16;
/** The gateway's own lag, as a share of what attempts take, below which replicas are to blame for a queue. */
const minLagShare = 0.1;
/** Share of what the replicas could serve without that lag, above which they are the limit. */
const busyShare = 0.8;
/** For models that take longer than an FPGA: the target as a multiple of the service time. */
const targetServices = 2.5;

export function createPool(region: string, { group, settings, state }: PoolDeps): Pool {
  const { ownRegion } = settings;
  const isRemote = region !== ownRegion;
  const initialRoundTripMs = settings.roundTripMs(ownRegion, region);
  const replicas = new Map<string, ScheduledReplica>();
  const queue = createRequestQueue<OpenRequest>();
  const overload = createOverload();
  const latency = createPeerLatency();
  const index = createReplicaIndex();
  let lastShedMs = Number.NEGATIVE_INFINITY;
  /** The last event that has changed something. */
  let touchedBy = -1;

  function createMember(member: Member, observer: SlotSettings["observer"]): ScheduledReplica {
    return new ScheduledReplica(member, {
      ...settings,
      model: group.model,
      isRemote,
      roundTripMs: initialRoundTripMs,
      // With a concurrency above 1 it is unknown which request ends next, and the server has its own queue.
      isPaced: () =>
        state.isPaced && state.gatewayCount === 1 && !isRemote && member.parallelism === 1,
      gateways: member.isGateway ? { gatewayCount: 1, ownLag: state.ownLag } : state,
      observer,
    });
  }

  function forget(replica: ScheduledReplica): void {
    index.remove(replica);
    probeAt(state, replica, Number.POSITIVE_INFINITY);
  }

  /** Finds the replica that is ready first among those that are not excepted. */
  function soonestExcept(nowMs: number, except: ReadonlySet<ScheduledReplica>): Slot | undefined {
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
  }

  /**
   * Returns the shortest wait that the gateways of the region reported, in milliseconds; 0 if a report is missing or old.
   *
   * @param aheadMs - counts what it will have grown by after this time
   */
  function reportedWaitMs({ nowMs }: PoolSurvey, targetMs: number, aheadMs = 0): number {
    let minMs = Number.POSITIVE_INFINITY;
    for (const { isServing, expectedWait } of replicas.values()) {
      if (!isServing) continue;
      if (!expectedWait) return 0;
      const { waitMs, reportedMs } = expectedWait;
      // A long queue is believed until another report: a request sent there would be rejected after a whole round trip.
      const isGood = waitMs > targetMs || nowMs - reportedMs < maxReportAgeMs;
      minMs = Math.min(minMs, isGood ? waitAfter(expectedWait, aheadMs) : 0);
    }
    return minMs;
  }

  /** Considers only the replicas that may get a request. */
  function surveyFor(request: OpenRequest, found: PoolSurvey): PoolSurvey {
    found.canServe = false;
    found.isProbing = false;
    found.fastestMs = Number.POSITIVE_INFINITY;
    for (const replica of replicas.values()) {
      if (!isCandidate(request, replica)) continue;
      if (replica.isServing) {
        found.canServe = true;
        found.fastestMs = Math.min(found.fastestMs, replica.slots.usualMs);
      } else if (replica.isProbing) found.isProbing = true;
    }
    return found;
  }

  const pool: Pool & { hasGateway: boolean; utilisation: number } = {
    model: group.model,
    region,
    isRemote,
    group,
    queue,
    overload,
    latency,
    replicas,
    nextTouched: undefined,
    mayHaveQueue: false,
    hasGateway: false,
    utilisation: 0,
    touch: () => {
      if (touchedBy === state.eventCount) return;
      touchedBy = state.eventCount;
      pool.nextTouched = undefined;
      // Linked, since a `Set` that is cleared takes a new table each time.
      if (state.lastTouched) state.lastTouched.nextTouched = pool;
      else state.firstTouched = pool;
      state.lastTouched = pool;
    },
    setMembers: (members) => {
      const ids = new Set(members.map(({ id }) => id));
      for (const [id, replica] of replicas) {
        if (ids.has(id)) continue;
        replicas.delete(id);
        forget(replica);
      }
      const made = members.flatMap((member) => {
        const known = replicas.get(member.id);
        if (known?.member.parallelism === member.parallelism) return [];
        if (known) forget(known);
        const replica = index.add((observer) => createMember(member, observer));
        replicas.set(member.id, replica);
        return [replica];
      });
      pool.hasGateway = false;
      for (const replica of replicas.values()) {
        if (replica.member.isGateway) pool.hasGateway = true;
        // Whether it is paced may have changed.
        index.changed(replica);
      }
      state.unserved.add(pool);
      return made;
    },
    survey: (nowMs, request) => {
      const totals = index.totals(nowMs);
      const isServed = totals.servingCount > 0;
      // Field by field: an object that is spread and then extended is made of several.
      const found: PoolSurvey = {
        servingCount: totals.servingCount,
        gatewayCount: totals.gatewayCount,
        parallelism: totals.parallelism,
        slotCount: totals.slotCount,
        inFlight: totals.inFlight,
        busy: totals.busy,
        capacityPerMs: totals.capacityPerMs,
        probingCount: totals.probingCount,
        nowMs,
        roundTripMs: isRemote ? (isServed ? index.least("roundTripMs") : initialRoundTripMs) : 0,
        canServe: isServed,
        fastestMs: isServed ? index.least("usualMs") : Number.POSITIVE_INFINITY,
        isProbing: totals.probingCount > 0,
      };
      return request?.isChoosy ? surveyFor(request, found) : found;
    },
    soonest: index.soonest,
    soonestExcept,
    expectedWaitMs: (rank, survey) => {
      const { gatewayCount, parallelism, slotCount, inFlight, capacityPerMs } = survey;
      if (gatewayCount > 0) {
        const over = Math.max(0, inFlight + queue.depthAhead(rank) + 1 - slotCount);
        // A report is half a round trip old when it comes, and a request arrives half a round trip after it is sent.
        const waitMs = reportedWaitMs(survey, pool.targetMs(survey), survey.roundTripMs);
        return waitMs + (survey.roundTripMs * over) / slotCount;
      }
      if (capacityPerMs === 0) return Number.POSITIVE_INFINITY;
      return Math.max(0, queue.depthAhead(rank) + inFlight - parallelism + 1) / capacityPerMs;
    },
    capacityFor: ({ rank, isForwarded }, survey) => {
      if (queue.length >= settings.maxWaiting) return "full";
      const { servingCount, gatewayCount, slotCount, inFlight } = survey;
      if (servingCount > 0 && gatewayCount === servingCount) {
        // While the region has capacity each answer adds a slot, so that twice as many do not wait for long.
        if (inFlight + queue.length >= 2 * slotCount) return "full";
        const targetMs = pool.targetMs(survey);
        const reportedMs = reportedWaitMs(survey, targetMs);
        if (reportedMs > forwardedTargets * targetMs) return "full";
        // A region that queues already is no relief for another one.
        return reportedMs > targetMs ? "limited" : "open";
      }
      if (!overload.isOn || queue.length < minOverloadedQueue) return "open";
      // While requests are shed the newest go first, so that the rest of a long queue would wait in vain.
      const own = pool.isShedding(survey.nowMs) ? sheddingTargets : admittedTargets;
      const targets = isForwarded ? forwardedTargets : own;
      const maxMs = targets * pool.targetMs(survey);
      return pool.expectedWaitMs(rank, survey) > maxMs ? "full" : "open";
    },
    targetMs: ({ roundTripMs }) => {
      // The round trip to a region is no work of it.
      const workMs = Number.isNaN(latency.recentMs) ? 0 : latency.recentMs - roundTripMs;
      return Math.max(settings.codelTargetMs, targetServices * workMs);
    },
    hasRoom: (nowMs) => {
      const { length } = queue;
      const isShort = length < minOverloadedQueue && length < settings.maxWaiting;
      return isShort && !pool.hasGateway && index.totals(nowMs).servingCount > 0;
    },
    onShed: (nowMs) => {
      lastShedMs = nowMs;
    },
    isShedding: (nowMs) => overload.isOn && nowMs - lastShedMs < codelIntervalMs,
    isHeldUp: (nowMs) => {
      const lagMs = state.ownLag.ms(nowMs);
      // Before the first reply nothing is known but that the gateway is late.
      if (lagMs === 0 || lagMs <= minLagShare * latency.recentMs) return false;
      let capacityPerMs = 0;
      for (const { slots, isServing } of replicas.values()) {
        if (isServing) capacityPerMs += slots.parallelism / Math.max(slots.takenMs - lagMs, 0.01);
      }
      return overload.sentPerMs(nowMs) < busyShare * capacityPerMs;
    },
    tryTimeoutMs: ({ slots }) =>
      latency.timeoutMs(Math.max(settings.minTryTimeoutMs, 8 * slots.usualMs + slots.roundTripMs)),
    observeArrival: (nowMs) => {
      const { parallelism, busy } = index.totals(nowMs);
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
