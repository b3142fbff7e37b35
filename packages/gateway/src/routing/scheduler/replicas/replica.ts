import type { ProbeNote, ReplicaStateName, ReplicaVersions, VersionChoice } from "../events.ts";
import { createAdaptiveLimit, createAimdLimit, createRemoteLimit } from "./concurrency-limit.ts";
import {
  afterProbe,
  ejectionMs,
  type HealthSettings,
  isServing,
  type ReplicaHealth,
  stateName,
} from "./health.ts";
import type { ReportedWait } from "./latency.ts";
import { createReplicaSlots, type ReplicaSlots, type SlotSettings } from "./slots.ts";

/** One replica of a pool, as the configuration has it. */
export interface Member {
  readonly id: string;
  readonly parallelism: number | "auto";
  readonly isGateway: boolean;
}

/** Versions of a replica that was not probed yet, or does not list them. */
export const unknownVersions: ReplicaVersions = { listed: undefined, latest: undefined };

/** One replica in one pool: its slots, its health and its record. */
export interface ScheduledReplica {
  readonly model: string;
  readonly member: Member;
  readonly slots: ReplicaSlots;
  readonly counts: Readonly<ReplicaCounts>;
  /** The wait that a gateway reported for its next request. */
  expectedWait: ReportedWait | undefined;
  /** Versions of the model that it lists. */
  versions: ReplicaVersions;
  /** What the last probe found, unless the model was simply ready. */
  probeNote: ProbeNote | undefined;
  /** Whether a probe has not ended yet. */
  isProbeInFlight: boolean;
  /** When the last probe was sent. */
  probeSentMs: number;
  /** When the next probe is due; Infinity for never. Set by `probeAt`. */
  nextProbeMs: number;
  /** Whether the probe in flight was sent before the replica was doubted, so that another one must follow. */
  isProbeStale: boolean;
  /** Replies before the last probe was sent. */
  repliesAtProbe: number;
  readonly isServing: boolean;
  readonly isSuspect: boolean;
  /** Whether it is suspect because it answered that it does not serve the model. */
  readonly isDoubted: boolean;
  /** Until then it is not doubted again: a probe has just found the model. */
  readonly trustedUntilMs: number;
  /** Whether its state depends on a probe: the first one, or one of a suspect. */
  readonly isProbing: boolean;
  /** Moving average of the answered attempts, round trip included, in milliseconds; undefined before the first. */
  readonly latencyMs: number | undefined;
  /** Requests that it failed and another replica then answered; each own answer reduces the count. */
  readonly confirmedFailures: number;
  /** Slow replies in a row. */
  readonly slowInARow: number;
  /** When it is probed, if it is ejected. */
  readonly outUntilMs: number | undefined;
  state(nowMs: number): ReplicaStateName;
  /**
   * Records an answer.
   *
   * @param isSlow - whether it was far slower than its peers
   * @param attemptMs - from sending to reply, in milliseconds
   */
  answered(isSlow: boolean, attemptMs: number): void;
  /** Records a failure. @returns the failures in a row, this one included */
  failed(): number;
  /** Records that another replica answered a request that this one failed. */
  confirmFailure(): void;
  /** Changes its health. @returns the transition, if its state has changed */
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
  readonly model: string;
  /** Whether it is in another region. */
  readonly isRemote: boolean;
}

/** Weight of the newest attempt in the average. */
const newest = 0.2;
/**
 * How long a replica is not doubted again after a good probe, in milliseconds: requests that are wrong themselves must not
 * keep replicas from other requests.
 */
const trustedMs = 1_000;
/**
 * Reduction of the confirmed failures by an answer: a replica that fails more than 1 in 5 is ejected before the retries
 * exhaust their budget.
 */
const answerWeight = 0.25;
/** Answers after an ejection until the next one counts as the first again. */
const resetAfter = 100;

export function createReplica(member: Member, settings: ReplicaSettings): ScheduledReplica {
  const slots = createReplicaSlots({ ...settings, parallelism: limitOf(member, settings) });
  const counts: ReplicaCounts = { answered: 0, failed: 0, ejections: 0 };
  let health: ReplicaHealth = { state: "warming" };
  /** Whether a probe has ended. */
  let wasProbed = false;
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
    wasProbed = true;
    const after = afterProbe(health, to.probe, nowMs, settings);
    if (replica.isDoubted && to.probe === "ready") replica.trustedUntilMs = nowMs + trustedMs;
    return after === "eject" ? ejected(nowMs) : after;
  }

  function ejected(nowMs: number): ReplicaHealth {
    ejectionsInARow += 1;
    // A failed probe of an ejected replica extends the ejection.
    if (health.state !== "ejected") counts.ejections += 1;
    answeredSinceReturn = 0;
    failuresInARow = 0;
    replica.slowInARow = 0;
    return { state: "ejected", untilMs: nowMs + ejectionMs(ejectionsInARow, settings) };
  }

  const replica = {
    model: settings.model,
    member,
    slots,
    counts,
    expectedWait: undefined as ReportedWait | undefined,
    versions: unknownVersions,
    probeNote: undefined as ProbeNote | undefined,
    isProbeInFlight: false,
    probeSentMs: Number.NEGATIVE_INFINITY,
    isProbeStale: false,
    nextProbeMs: Number.POSITIVE_INFINITY,
    repliesAtProbe: 0,
    isServing: false,
    isSuspect: false,
    isDoubted: false,
    isProbing: true,
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
      if (answeredSinceReturn >= resetAfter) ejectionsInARow = 0;
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
      replica.isProbing = replica.isSuspect || (health.state === "warming" && !wasProbed);
      replica.outUntilMs = health.state === "ejected" ? health.untilMs : undefined;
      settings.onChange();
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
  if (isGateway) return createAimdLimit();
  if (parallelism === "auto") return createAdaptiveLimit(isRemote);
  return isRemote ? createRemoteLimit(parallelism) : parallelism;
}

/** What decides which replicas may get a request. */
interface CandidateRequest extends VersionChoice {
  /** Replicas that do not get it again. */
  readonly excluded: ReadonlySet<string>;
  readonly arrivedMs: number;
  readonly deadlineMs: number;
}

/** Whether a replica may get a request: it is not excluded, and may have the version. */
export function isCandidate(
  request: CandidateRequest,
  { member, versions }: ScheduledReplica,
): boolean {
  return !request.excluded.has(member.id) && mayHave(versions, request);
}

/** Whether a request may not go to every replica. */
export function isChoosy({ excluded, version, versionLabel }: CandidateRequest): boolean {
  return excluded.size > 0 || version !== undefined || versionLabel !== undefined;
}

/** Whether a replica that begins now should answer before the deadline. */
export function isInTime(
  { deadlineMs }: CandidateRequest,
  { slots: { roundTripMs, usualMs } }: ScheduledReplica,
  nowMs: number,
): boolean {
  return nowMs + roundTripMs + usualMs <= deadlineMs;
}

/**
 * Whether a replica may have loaded the version of a request since its last probe, which was sent before the request
 * came. A replica that lists no version at all is a container without versions.
 */
export function mayHaveByNow(request: CandidateRequest, replica: ScheduledReplica): boolean {
  const { versions, isServing, isProbing, isProbeInFlight, probeSentMs } = replica;
  if (request.version === undefined || !versions.listed?.length) return false;
  if (mayHave(versions, request) || request.excluded.has(replica.member.id)) return false;
  return (isServing || isProbing) && (isProbeInFlight || probeSentMs < request.arrivedMs);
}

/** Whether a replica may have the version of a request. Only the replicas know their labels. */
export function mayHave(
  { listed }: ReplicaVersions,
  { version, versionLabel }: VersionChoice,
): boolean {
  if (listed === undefined) return true;
  if (versionLabel !== undefined) return listed.length > 0;
  return version === undefined || listed.includes(version);
}

/**
 * Returns the version that would answer a request at any of these replicas.
 *
 * @returns undefined if that is unknown, or differs between the replicas that serve and may have the version
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

/** Lists the versions of these replicas, highest first. */
export function listedVersions(replicas: Iterable<ScheduledReplica>): readonly bigint[] {
  const all = new Set<bigint>();
  for (const { versions } of replicas) for (const each of versions.listed ?? []) all.add(each);
  return [...all].toSorted((a, b) => (a > b ? -1 : 1));
}
