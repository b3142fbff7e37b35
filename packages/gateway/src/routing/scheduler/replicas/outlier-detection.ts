import type { AttemptFailure, SchedulerEvent } from "../events.ts";
import type { Admission } from "../queues/admission.ts";
import {
  type OpenRequest,
  type Pool,
  type PoolGroup,
  probe,
  probeAt,
  type SchedulerSettings,
  type SchedulerState,
  type SentAttempt,
} from "../state.ts";
import { maxIdleProbeMs } from "./health.ts";
import { isFarAbove, reportedWait } from "./latency.ts";
import { type HealthChange, mayHave, type ScheduledReplica } from "./replica.ts";

/** Ejects replicas that fail or are slow, probes them, and readmits them. */
export interface OutlierDetection {
  /** Judges a replica by a failed attempt. */
  onFailure(attempt: SentAttempt, failure: AttemptFailure): void;
  /** Judges a replica by a reply. */
  onSuccess(attempt: SentAttempt, reply: Extract<SchedulerEvent, { type: "answered" }>): void;
  /** Suspects the replica of an attempt that has timed out. */
  onTimeout(attempt: SentAttempt): void;
  /** Takes the result of a probe. */
  probed(event: Extract<SchedulerEvent, { type: "probed" }>): void;
  /** Probes the replicas that are due, and asks for a tick when the next one is. */
  probeDue(): void;
  /** Drains or readmits a replica in every pool that it is in. */
  change(replicaId: string, to: "drain" | "readmit"): void;
  /** Whether another replica serves the version of a request, in any region. */
  hasPeerWith(request: OpenRequest, replica: ScheduledReplica): boolean;
}

/** Slow replies in a row after which a replica is ejected. */
const maxSlowInARow = 4;
/** How long it must have been slow, in milliseconds: on a busy machine a process waits for its turn a few times in a row. */
const minSlowMs = 30;
/** Interval of probes of a gateway, in milliseconds: the wait that it reports is soon old. */
const gatewayProbeMs = 1_000;

export function createOutlierDetection(
  state: SchedulerState,
  settings: SchedulerSettings,
  admission: Admission,
): OutlierDetection {
  function change(pool: Pool, replica: ScheduledReplica, to: HealthChange, because: string): void {
    const wasServing = replica.isServing;
    const changed = replica.change(to, state.nowMs);
    // One that was removed only ends what it has in flight.
    const isMember = pool.replicas.get(replica.member.id) === replica;
    probeAt(state, replica, isMember ? nextProbeMs(replica) : Number.POSITIVE_INFINITY);
    if (!replica.isProbeInFlight) state.wakeMs = Math.min(state.wakeMs, replica.nextProbeMs);
    pool.touch();
    if (changed) {
      const { model, region } = pool;
      const place = { model, region, replicaId: replica.member.id };
      state.commands.push({ type: "state-change", change: { ...place, ...changed, because } });
    }
    if (replica.isServing) return;
    if (wasServing) hastenProbes(pool);
    else if (replica.outUntilMs !== undefined && !hasServing(pool)) hastenProbe(replica);
    state.unserved.add(pool);
    admission.requeueIneligible(pool);
  }

  /** Probes the ejected replicas of a pool sooner if none serves: the first one that is back is needed. */
  function hastenProbes(pool: Pool): void {
    if (hasServing(pool)) return;
    for (const each of pool.replicas.values()) if (each.outUntilMs !== undefined) hastenProbe(each);
  }

  function hastenProbe(replica: ScheduledReplica): void {
    const latestMs = Math.max(state.nowMs, replica.probeSentMs + maxIdleProbeMs);
    if (replica.isProbeInFlight || replica.nextProbeMs <= latestMs) return;
    probeAt(state, replica, latestMs);
    state.wakeMs = Math.min(state.wakeMs, latestMs);
  }

  function nextProbeMs(replica: ScheduledReplica): number {
    switch (replica.state(state.nowMs)) {
      case "suspect":
        return state.nowMs;
      case "ejected":
        return replica.outUntilMs ?? state.nowMs;
      case "warming":
        return state.nowMs + settings.initialEjectionMs;
      case "draining":
        return Number.POSITIVE_INFINITY;
      default:
        return state.nowMs + probeIntervalMs(replica);
    }
  }

  function probeIntervalMs({ member }: ScheduledReplica): number {
    const { probeIntervalMs: usualMs } = settings;
    return member.isGateway ? Math.min(usualMs, gatewayProbeMs) : usualMs;
  }

  /** The last replica is never ejected for being slow or failing: there is none to replace it. */
  function hasAlternative({ pools }: PoolGroup, replica: ScheduledReplica): boolean {
    return pools.some((pool) => hasServing(pool, replica));
  }

  /**
   * Whether another replica of a pool has proved itself: one that only a probe has readmitted is nothing to be compared with,
   * nor to rely on in place of one that answers.
   */
  function hasReadyPeer({ replicas }: Pool, replica: ScheduledReplica): boolean {
    for (const each of replicas.values()) {
      if (each !== replica && each.state(state.nowMs) === "ready") return true;
    }
    return false;
  }

  function eject(pool: Pool, replica: ScheduledReplica, because: string): void {
    if (!replica.isServing || !hasAlternative(pool.group, replica)) return;
    change(pool, replica, "eject", because);
  }

  /** Ejects a replica after too many failures in a row, or too many that other replicas then answered. */
  function ejectIfFaulty(pool: Pool, replica: ScheduledReplica): void {
    const { maxFailures } = settings;
    if (replica.failed() >= maxFailures) eject(pool, replica, "consecutive failures");
    else if (replica.confirmedFailures >= maxFailures - 1) {
      eject(pool, replica, "fails calls that other replicas answer");
    }
  }

  function suspect(pool: Pool, replica: ScheduledReplica, because: string): void {
    if (!replica.isServing) return;
    if (replica.failed() >= settings.maxFailures && hasAlternative(pool.group, replica)) {
      change(pool, replica, "eject", because);
    } else {
      change(pool, replica, "suspect", because);
      probe(state, replica);
    }
  }

  /**
   * Doubts a replica that answered that it does not serve the model. If another replica has the version, this one gets
   * nothing until a probe, sent now, has ended: it works, so it is not ejected. If none has, the request may be wrong. A
   * gateway routes to its own replicas, and is not doubted.
   */
  function doubt({ request, pool, replica }: SentAttempt): void {
    if (!hasPeerWith(request, replica)) return;
    const isTrusted = state.nowMs < replica.trustedUntilMs || replica.member.isGateway;
    if (replica.isServing && !isTrusted) {
      change(pool, replica, "doubt", "does not serve the model");
      replica.isProbeStale = replica.isProbeInFlight;
    }
    probe(state, replica);
  }

  function hasPeerWith(request: OpenRequest, replica: ScheduledReplica): boolean {
    return request.group.pools.some(({ replicas }) =>
      [...replicas.values()].some(
        (each) => each !== replica && each.isServing && mayHave(each.versions, request),
      ),
    );
  }

  function recordPeerWait(replica: ScheduledReplica, waitMs: number): void {
    replica.expectedWait = reportedWait(replica.expectedWait, waitMs, state.nowMs);
  }

  return {
    hasPeerWith,

    onFailure: (attempt, failure) => {
      const { pool, replica, sentMs } = attempt;
      switch (failure) {
        case "unprocessed":
          suspect(pool, replica, "unreachable");
          break;
        case "lost":
          suspect(pool, replica, "connection lost");
          break;
        case "goaway":
          // Once is an old connection; several in a row are a replica that accepts no calls.
          if (replica.failed() >= settings.maxFailures) suspect(pool, replica, "rejects calls");
          break;
        case "warming":
          if (replica.isServing) change(pool, replica, "warming", "loading its model");
          break;
        case "full":
          replica.slots.rejected({ sentMs, nowMs: state.nowMs });
          if (!replica.member.isGateway) break;
          recordPeerWait(replica, Number.POSITIVE_INFINITY);
          admission.requeueAll(pool);
          break;
        case "not-served":
        case "model-broken":
          doubt(attempt);
          break;
        case "unknown-label":
          // An unknown label does not mean that the model is missing.
          break;
        case "failed":
          ejectIfFaulty(pool, replica);
      }
    },

    onSuccess: (attempt, { expectedWaitMs, version, roundTripMs }) => {
      const { request, pool, replica, slot, sentMs } = attempt;
      const tookMs = replica.slots.answered(slot, state.nowMs);
      if (roundTripMs !== undefined) replica.slots.observeRoundTrip(roundTripMs);
      const attemptMs = state.nowMs - sentMs;
      // Of a replica that has become slow the median soon is, too.
      const usualMs = replica.slowInARow > 0 ? replica.usualBeforeMs : replica.slots.usualMs;
      const isSlow =
        pool.latency.observe(attemptMs, tookMs, usualMs) && hasReadyPeer(pool, replica);
      const isUsual = !isFarAbove(tookMs, usualMs);
      replica.answered({ isSlow, isUsual, sentMs, nowMs: state.nowMs });
      if (expectedWaitMs !== undefined) recordPeerWait(replica, expectedWaitMs);
      const { listed = [], latest } = replica.versions;
      const wantsLatest = request.version === undefined && request.versionLabel === undefined;
      // Another version was loaded since the probe. 0 stands for a reply without a version.
      if (wantsLatest && listed.length > 0 && version && version !== latest) {
        replica.versions = { listed, latest: undefined };
      }
      // A reply of another version, or from before the doubt, does not clear a doubted replica.
      if (replica.isSuspect && !replica.isDoubted) {
        change(pool, replica, { probe: "ready" }, "answered late");
      }
      // One pause, of the replica or of this process, makes all slow that is in flight: what was sent after it must be, too.
      const { slowSinceMs } = replica;
      const isLasting = sentMs >= slowSinceMs && state.nowMs - slowSinceMs >= minSlowMs;
      if (isSlow && isLasting && replica.slowInARow >= maxSlowInARow) eject(pool, replica, "slow");
    },

    onTimeout: ({ request, pool, replica }) => {
      if (hasPeerWith(request, replica)) suspect(pool, replica, "no response in time");
      else probe(state, replica);
    },

    probed: ({ model, replicaId, finding, versions, note, roundTripMs, expectedWaitMs }) => {
      const pools = state.models.get(model)?.pools ?? [];
      const pool = pools.find(({ replicas }) => replicas.has(replicaId));
      const replica = pool?.replicas.get(replicaId);
      if (!pool || !replica) return;
      replica.isProbeInFlight = false;
      if (roundTripMs !== undefined) replica.slots.observeRoundTrip(roundTripMs);
      if (expectedWaitMs !== undefined) recordPeerWait(replica, expectedWaitMs);
      replica.versions = versions ?? replica.versions;
      replica.probeNote = note;
      if (replica.isProbeStale) {
        replica.isProbeStale = false;
        probe(state, replica);
        return;
      }
      const because = `probe: ${note?.detail ?? finding}`;
      // Answers since the probe was sent outweigh a probe without an answer.
      const isRefuted = finding === "lost" && replica.counts.answered > replica.repliesAtProbe;
      if (isRefuted) change(pool, replica, { probe: "ready" }, "answered");
      else if (finding === "lost" && replica.isServing) suspect(pool, replica, because);
      else change(pool, replica, { probe: finding }, because);
      if (versions) admission.requeueIneligible(pool);
      admission.requeueSearching(pool.group);
    },

    probeDue: () => {
      const { probes } = state;
      for (let due = probes.first; due && due.nextProbeMs <= state.nowMs; due = probes.first) {
        probe(state, due);
        // The result of a probe in flight decides when the next one is due.
        probeAt(state, due, Number.POSITIVE_INFINITY);
      }
      state.wakeMs = Math.min(state.wakeMs, probes.first?.nextProbeMs ?? state.wakeMs);
    },

    change: (replicaId, to) => {
      for (const pool of state.pools) {
        const replica = pool.replicas.get(replicaId);
        if (!replica) continue;
        const isDraining = replica.state(state.nowMs) === "draining";
        if (to === "drain" && !isDraining) change(pool, replica, "drain", "on request");
        if (to === "readmit" && isDraining) {
          change(pool, replica, "readmit", "on request");
          probe(state, replica);
        }
      }
    },
  };
}

/** Whether a replica of a pool serves, other than this one. */
export function hasServing({ replicas }: Pool, except?: ScheduledReplica): boolean {
  for (const each of replicas.values()) if (each.isServing && each !== except) return true;
  return false;
}
