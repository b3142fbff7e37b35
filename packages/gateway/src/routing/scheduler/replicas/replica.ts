import type { ProbeNote, ReplicaStateName, ReplicaVersions, VersionChoice } from "../events.ts";
import { createGatewayLimit, createLearntLimit, createRemoteLimit } from "./concurrency-limit.ts";
import {
  afterProbe,
  ejectionMs,
  type HealthSettings,
  isServing,
  type ReplicaHealth,
  stateName,
} from "./health.ts";
import { createReplicaSlots, type ReplicaSlots, type SlotSettings } from "./slots.ts";

/** One replica of a pool, as the configuration has it. */
export interface Member {
  readonly id: string;
  readonly parallelism: number | "auto";
  readonly isGateway: boolean;
}

/** Of a replica that was not heard of yet, or lists nothing. */
export const unknownVersions: ReplicaVersions = { listed: undefined, latest: undefined };

/** One replica in one pool: its slots, its health, and what became of what it was sent. */
export interface ScheduledReplica {
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
  /** Moving average of the answered attempts, the way included, in milliseconds; undefined before the first. */
  readonly latencyMs: number | undefined;
  /** Requests that it failed and another replica answered, less a part for each of its own answers. */
  readonly confirmedFailures: number;
  /** Slow replies in a row. */
  readonly slowInARow: number;
  /** When it is probed if it is out. */
  readonly outUntilMs: number | undefined;
  state(nowMs: number): ReplicaStateName;
  /**
   * It answered.
   *
   * @param isSlow - whether it took far longer than its peers would have
   * @param attemptMs - from the sending to the reply, in milliseconds
   */
  answered(isSlow: boolean, attemptMs: number): void;
  /** It failed by itself. @returns how many in a row, this one included */
  failed(): number;
  /** Another replica answered what it had failed. */
  confirmFailure(): void;
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

export interface ReplicaSettings extends HealthSettings, Omit<SlotSettings, "parallelism"> {
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

export function createReplica(member: Member, settings: ReplicaSettings): ScheduledReplica {
  const slots = createReplicaSlots({ ...settings, parallelism: limitOf(member, settings) });
  const counts: ReplicaCounts = { answered: 0, failed: 0, ejections: 0 };
  let health: ReplicaHealth = { state: "warming" };
  /** Whether a probe has come back. */
  let wasHeard = false;
  let failuresInARow = 0;
  let ejectionsInARow = 0;
  let answeredSinceReturn = 0;

  function next(to: HealthChange, nowMs: number): ReplicaHealth {
    if (to === "suspect") return { state: "suspect" };
    if (to === "doubt") return { state: "suspect", isDoubted: true };
    if (to === "warming") return { state: "warming" };
    if (to === "drain") return { state: "draining" };
    if (to === "readmit") return { state: "warming" };
    if (to === "eject") return ejected(nowMs);
    wasHeard = true;
    const after = afterProbe(health, to.probe, nowMs, settings);
    if (replica.isDoubted && to.probe === "ready") replica.trustedUntilMs = nowMs + trustedMs;
    return after === "eject" ? ejected(nowMs) : after;
  }

  function ejected(nowMs: number): ReplicaHealth {
    ejectionsInARow += 1;
    // A probe that fails again is no second time.
    if (health.state !== "ejected") counts.ejections += 1;
    answeredSinceReturn = 0;
    failuresInARow = 0;
    replica.slowInARow = 0;
    return { state: "ejected", untilMs: nowMs + ejectionMs(ejectionsInARow, settings) };
  }

  const replica = {
    member,
    slots,
    counts,
    expectedWait: undefined as ScheduledReplica["expectedWait"],
    versions: unknownVersions,
    probeNote: undefined as ProbeNote | undefined,
    isProbed: false,
    probeSentMs: Number.NEGATIVE_INFINITY,
    isProbeStale: false,
    nextProbeMs: Number.POSITIVE_INFINITY,
    repliesAtProbe: 0,
    isServing: false,
    isSuspect: false,
    isDoubted: false,
    isHopeful: true,
    trustedUntilMs: Number.NEGATIVE_INFINITY,
    latencyMs: undefined as number | undefined,
    confirmedFailures: 0,
    slowInARow: 0,
    outUntilMs: undefined as number | undefined,
    state: (nowMs: number) => stateName(health, nowMs),
    answered: (isSlow: boolean, attemptMs: number) => {
      const { latencyMs = attemptMs } = replica;
      replica.latencyMs = latencyMs + newest * (attemptMs - latencyMs);
      counts.answered += 1;
      failuresInARow = 0;
      replica.confirmedFailures = Math.max(0, replica.confirmedFailures - answerWeight);
      replica.slowInARow = isSlow ? replica.slowInARow + 1 : 0;
      answeredSinceReturn += 1;
      if (answeredSinceReturn >= forgottenAfter) ejectionsInARow = 0;
    },
    failed: () => {
      counts.failed += 1;
      failuresInARow += 1;
      return failuresInARow;
    },
    confirmFailure: () => {
      replica.confirmedFailures += 1;
    },
    change: (to: HealthChange, nowMs: number) => {
      const before = stateName(health, nowMs);
      health = next(to, nowMs);
      replica.isServing = isServing(health);
      slots.limitToOne(health.state === "returning" ? health.untilMs : Number.NEGATIVE_INFINITY);
      replica.isSuspect = health.state === "suspect";
      replica.isDoubted = health.state === "suspect" && health.isDoubted === true;
      replica.isHopeful = replica.isSuspect || (health.state === "warming" && !wasHeard);
      replica.outUntilMs = health.state === "ejected" ? health.untilMs : undefined;
      const after = stateName(health, nowMs);
      return before === after ? undefined : { from: before, to: after };
    },
  };
  return replica;
}

function limitOf(
  { isGateway, parallelism }: Member,
  { isRemote }: ReplicaSettings,
): SlotSettings["parallelism"] {
  if (isGateway) return createGatewayLimit();
  if (parallelism === "auto") return createLearntLimit(isRemote);
  return isRemote ? createRemoteLimit(parallelism) : parallelism;
}

/** A request as far as it decides which replicas may get it. */
interface CandidateRequest extends VersionChoice {
  /** Replicas that are not asked again. */
  readonly tried: ReadonlySet<string>;
  readonly arrivedMs: number;
  readonly deadlineMs: number;
}

/** Whether a replica may be asked at all: it has not failed the request, and may have the version that is named. */
export function isCandidate(
  request: CandidateRequest,
  { member, versions }: ScheduledReplica,
): boolean {
  return !request.tried.has(member.id) && mayHave(versions, request);
}

/** Whether a replica that begins now could answer before the deadline. */
export function isInTime(
  { deadlineMs }: CandidateRequest,
  { slots: { roundTripMs, usualMs } }: ScheduledReplica,
  nowMs: number,
): boolean {
  return nowMs + roundTripMs + usualMs <= deadlineMs;
}

/**
 * Whether a replica may have got the version that a request names since it last listed its own: it was asked for them
 * before the request came. One that has none at all is a container without versions.
 */
export function mayHaveByNow(request: CandidateRequest, replica: ScheduledReplica): boolean {
  const { versions, isServing, isHopeful, isProbed, probeSentMs } = replica;
  if (request.version === undefined || !versions.listed?.length) return false;
  if (mayHave(versions, request) || request.tried.has(replica.member.id)) return false;
  return (isServing || isHopeful) && (isProbed || probeSentMs < request.arrivedMs);
}

/** Whether a replica may have what a request asks for. Which labels there are is known to the replicas alone. */
export function mayHave(
  { listed }: ReplicaVersions,
  { version, versionLabel }: VersionChoice,
): boolean {
  if (listed === undefined) return true;
  if (versionLabel !== undefined) return listed.length > 0;
  return version === undefined || listed.includes(version);
}

/**
 * The version that answers a request, whichever of these replicas it comes to.
 *
 * @returns undefined where that is not known, or differs between those that serve and may have what is asked for
 */
export function commonVersion(
  replicas: Iterable<ScheduledReplica>,
  choice: VersionChoice,
): bigint | undefined {
  if (choice.versionLabel !== undefined) return undefined;
  let common: bigint | undefined;
  for (const { isServing, versions } of replicas) {
    if (!isServing || !mayHave(versions, choice)) continue;
    const named = versions.listed === undefined ? undefined : choice.version;
    const version = choice.version === undefined ? versions.latest : named;
    if (version === undefined || (common !== undefined && version !== common)) return undefined;
    common = version;
  }
  return common;
}

/** Every version that one of these replicas lists, highest first. */
export function listedVersions(replicas: Iterable<ScheduledReplica>): readonly bigint[] {
  const all = new Set<bigint>();
  for (const { versions } of replicas) for (const each of versions.listed ?? []) all.add(each);
  return [...all].toSorted((a, b) => (a > b ? -1 : 1));
}
