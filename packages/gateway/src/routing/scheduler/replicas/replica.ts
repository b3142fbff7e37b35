import type { Member, ProbeNote, ReplicaStateName } from "../events.ts";
import { learntParallelism } from "./concurrency-limit.ts";
import { farWindow } from "./far-window.ts";
import { gatewayWindow } from "./gateway-window.ts";
import {
  afterProbe,
  ejectionMs,
  type HealthSettings,
  isServing,
  type ReplicaHealth,
  slotLimit,
  stateName,
} from "./health.ts";
import { type ReplicaSlots, replicaSlots, type SlotSettings } from "./slots.ts";
import { type ReplicaVersions, unknownVersions } from "./versions.ts";

/** One replica in one pool: its slots, its health, and what became of what it was sent. */
export interface Replica {
  readonly member: Member;
  readonly slots: ReplicaSlots;
  readonly counts: Readonly<ReplicaCounts>;
  /** What the gateway of its region said that its next request would wait, and when, in milliseconds. */
  expectedWait: { readonly waitMs: number; readonly toldMs: number } | undefined;
  /** Versions of the model that it has. */
  versions: ReplicaVersions;
  /** What the last probe found, unless the model was simply ready. */
  probeNote: ProbeNote | undefined;
  /** Whether a probe was asked for that has not come back. */
  isProbed: boolean;
  /** When the last probe was sent, whether it has come back or not. */
  probeSentMs: number;
  /** When it is to be probed next, unless something happens before. */
  nextProbeMs: number;
  /** Whether the probe under way was sent before there was reason to ask: another one must follow. */
  isProbeStale: boolean;
  /** Replies that had come when the last probe was sent. */
  repliesAtProbe: number;
  readonly isServing: boolean;
  readonly isSuspect: boolean;
  /** Whether it is suspect for having said that it does not serve the model. */
  readonly isDoubted: boolean;
  /** Until then it is not doubted again: a probe has just said that it serves the model. */
  readonly trustedUntilMs: number;
  /** Whether it is being probed for the first time, or for being suspect: more is known in a moment. */
  readonly isHopeful: boolean;
  state(nowMs: number): ReplicaStateName;
  /** The earliest time to send the next request; Infinity while only an event can make it ready. */
  readySinceMs(nowMs: number): number;
  /** Moving average of the answered attempts, the way included, in milliseconds; undefined before the first. */
  readonly latencyMs: number | undefined;
  /**
   * It answered.
   *
   * @param isSlow - whether it took far longer than its peers would have
   * @param attemptMs - from the sending to the reply, in milliseconds
   */
  answered(isSlow: boolean, attemptMs: number): void;
  /** It failed by itself. @returns how many in a row, this one included */
  failed(): number;
  /** Requests that it failed and another replica answered, less a part for each of its own answers. */
  readonly confirmedFailures: number;
  /** Another replica answered what it had failed. */
  confirmFailure(): void;
  /** Slow replies in a row. */
  readonly slowInARow: number;
  /** When it is probed if it is out. */
  readonly outUntilMs: number | undefined;
  /** @returns the state before and after, where they differ */
  change(to: HealthChange, nowMs: number): Transition | undefined;
}

export type HealthChange =
  | "suspect"
  | "doubt"
  | "eject"
  | "warming"
  | "drain"
  | "readmit"
  | { readonly probe: "ready" | "warming" | "lost" };

export interface Transition {
  readonly from: ReplicaStateName;
  readonly to: ReplicaStateName;
}

interface ReplicaCounts {
  answered: number;
  failed: number;
  ejections: number;
}

interface RemoteReplica {
  /** Whether it is in another region. */
  readonly isRemote: boolean;
}

/** Weight of the newest attempt in the average. */
const newest = 0.2;
/**
 * A replica that a probe has cleared is believed for so long, in milliseconds: requests that are themselves to blame must
 * not keep replicas from others.
 */
const trustedMs = 1_000;
/**
 * What an answer takes off the confirmed failures: a replica that fails more than 1 in 5 is out before the retries use
 * up their budget.
 */
const answerWeight = 0.25;
/** A replica that served this many requests after it came back is as good as it was before. */
const forgottenAfter = 100;

export function replica(
  member: Member,
  slotSettings: Omit<SlotSettings, "parallelism"> & RemoteReplica,
  health: HealthSettings,
): Replica {
  const slots = replicaSlots({ ...slotSettings, parallelism: limitOf(member, slotSettings) });
  const counts: ReplicaCounts = { answered: 0, failed: 0, ejections: 0 };
  let now: ReplicaHealth = { state: "warming" };
  let latencyMs: number | undefined;
  /** Whether a probe has come back. */
  let wasHeard = false;
  let failuresInARow = 0;
  let confirmedFailures = 0;
  let slowInARow = 0;
  let ejectionsInARow = 0;
  let answeredSinceReturn = 0;
  let trustedUntilMs = Number.NEGATIVE_INFINITY;

  const isDoubted = () => now.state === "suspect" && now.isDoubted === true;

  function next(to: HealthChange, nowMs: number): ReplicaHealth {
    if (to === "suspect") return { state: "suspect" };
    if (to === "doubt") return { state: "suspect", isDoubted: true };
    if (to === "warming") return { state: "warming" };
    if (to === "drain") return { state: "draining" };
    if (to === "readmit") return { state: "warming" };
    if (to === "eject") return ejected(nowMs);
    wasHeard = true;
    const after = afterProbe(now, to.probe, nowMs, health);
    if (isDoubted() && to.probe === "ready") trustedUntilMs = nowMs + trustedMs;
    return after === "eject" ? ejected(nowMs) : after;
  }

  function ejected(nowMs: number): ReplicaHealth {
    ejectionsInARow += 1;
    // A probe that fails again is no second time.
    if (now.state !== "ejected") counts.ejections += 1;
    answeredSinceReturn = 0;
    failuresInARow = 0;
    slowInARow = 0;
    return { state: "ejected", untilMs: nowMs + ejectionMs(ejectionsInARow, health) };
  }

  return {
    member,
    slots,
    counts,
    expectedWait: undefined,
    versions: unknownVersions,
    probeNote: undefined,
    isProbed: false,
    probeSentMs: Number.NEGATIVE_INFINITY,
    isProbeStale: false,
    nextProbeMs: Number.POSITIVE_INFINITY,
    repliesAtProbe: 0,
    get isServing() {
      return isServing(now);
    },
    get isSuspect() {
      return now.state === "suspect";
    },
    get isDoubted() {
      return isDoubted();
    },
    get trustedUntilMs() {
      return trustedUntilMs;
    },
    get isHopeful() {
      return now.state === "suspect" || (now.state === "warming" && !wasHeard);
    },
    get confirmedFailures() {
      return confirmedFailures;
    },
    confirmFailure: () => {
      confirmedFailures += 1;
    },
    get slowInARow() {
      return slowInARow;
    },
    get outUntilMs() {
      return now.state === "ejected" ? now.untilMs : undefined;
    },
    state: (nowMs) => stateName(now, nowMs),
    readySinceMs: (nowMs) => {
      const limit = slotLimit(now, nowMs);
      if (limit === 0) return Number.POSITIVE_INFINITY;
      return slots.readySinceMs(nowMs, limit);
    },
    get latencyMs() {
      return latencyMs;
    },
    answered: (isSlow, attemptMs) => {
      latencyMs =
        latencyMs === undefined ? attemptMs : latencyMs + newest * (attemptMs - latencyMs);
      counts.answered += 1;
      failuresInARow = 0;
      confirmedFailures = Math.max(0, confirmedFailures - answerWeight);
      slowInARow = isSlow ? slowInARow + 1 : 0;
      answeredSinceReturn += 1;
      if (answeredSinceReturn >= forgottenAfter) ejectionsInARow = 0;
    },
    failed: () => {
      counts.failed += 1;
      failuresInARow += 1;
      return failuresInARow;
    },
    change: (to, nowMs) => {
      const from = stateName(now, nowMs);
      now = next(to, nowMs);
      const after = stateName(now, nowMs);
      return from === after ? undefined : { from, to: after };
    },
  };
}

function limitOf(
  { isGateway, parallelism }: Member,
  { isRemote }: RemoteReplica,
): SlotSettings["parallelism"] {
  if (isGateway) return gatewayWindow();
  if (parallelism === "auto") return learntParallelism(isRemote);
  return isRemote ? farWindow(parallelism) : parallelism;
}
