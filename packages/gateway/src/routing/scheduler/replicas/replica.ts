import { type HeapItem, notInHeap } from "@tensorgate/core";
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

import { ReplicaSlots, type SlotSettings } from "./slots.ts";

/** One replica of a pool, as the configuration has it. */
export interface Member {
  readonly id: string;
  readonly parallelism: number | "auto";
  readonly isGateway: boolean;
}

/** Versions of a replica that was not probed yet, or does not list them. */
export const unknownVersions: ReplicaVersions = { listed: undefined, latest: undefined };

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

interface ReplicaAnswer {
  /** Whether it was far slower than its peers, and than it usually is. */
  readonly isSlow: boolean;
  /** Whether it was no slower than it usually is: neither holds while its peers have become slow, too. */
  readonly isUsual: boolean;
  /** When its attempt was sent. */
  readonly sentMs: number;
  readonly nowMs: number;
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
/** How long slow replies count as a row, in milliseconds. */
const maxRowMs = 1_000;
/** Answers after an ejection until the next one counts as the first again. */
const resetAfter = 100;

/** One replica in one pool: its slots, its health and its record. */
export class ScheduledReplica implements HeapItem {
  readonly model: string;
  readonly member: Member;
  readonly slots: ReplicaSlots;
  readonly counts: ReplicaCounts = { answered: 0, failed: 0, ejections: 0 };
  /** The wait that a gateway reported for its next request. */
  expectedWait: ReportedWait | undefined;
  /** Versions of the model that it lists. */
  versions: ReplicaVersions = unknownVersions;
  /** What the last probe found, unless the model was simply ready. */
  probeNote: ProbeNote | undefined;
  /** Whether a probe has not ended yet. */
  isProbeInFlight = false;
  /** When the last probe was sent. */
  probeSentMs: number = Number.NEGATIVE_INFINITY;
  /** Whether the probe in flight was sent before the replica was doubted, so that another one must follow. */
  isProbeStale = false;
  /** When the next probe is due; Infinity for never. Set by `probeAt`. */
  nextProbeMs: number = Number.POSITIVE_INFINITY;
  /** Its place among the probes that are due, which their heap sets. */
  heapIndex: number = notInHeap;
  /** Replies before the last probe was sent. */
  repliesAtProbe = 0;
  isServing = false;
  isSuspect = false;
  /** Whether it is suspect because it answered that it does not serve the model. */
  isDoubted = false;
  /** Whether its state depends on a probe: the first one, or one of a suspect. */
  isProbing = true;
  /** Until then it is not doubted again: a probe has just found the model. */
  trustedUntilMs: number = Number.NEGATIVE_INFINITY;
  /** Moving average of the answered attempts, round trip included, in milliseconds; undefined before the first. */
  latencyMs: number | undefined;
  /** Requests that it failed and another replica then answered; each own answer reduces the count. */
  confirmedFailures = 0;
  /** Slow replies in a row, when the first of them came, and the median service time until then, in milliseconds. */
  slowInARow = 0;
  slowSinceMs: number = Number.NEGATIVE_INFINITY;
  usualBeforeMs = 0;
  /** When it is probed, if it is ejected. */
  outUntilMs: number | undefined;
  readonly #settings: ReplicaSettings;
  #health: ReplicaHealth = { state: "warming" };
  /** Whether a probe has ended. */
  #wasProbed = false;
  #failuresInARow = 0;
  #ejectionsInARow = 0;
  #answeredSinceReturn = 0;

  constructor(member: Member, settings: ReplicaSettings) {
    this.model = settings.model;
    this.member = member;
    this.slots = new ReplicaSlots({ ...settings, parallelism: limitOf(member, settings) });
    this.#settings = settings;
  }

  state(nowMs: number): ReplicaStateName {
    return stateName(this.#health, nowMs);
  }

  /** Records an answer. */
  answered({ isSlow, isUsual, sentMs, nowMs }: ReplicaAnswer): void {
    const attemptMs = nowMs - sentMs;
    const { latencyMs = attemptMs } = this;
    this.latencyMs = latencyMs + newest * (attemptMs - latencyMs);
    this.counts.answered += 1;
    this.#failuresInARow = 0;
    this.confirmedFailures = Math.max(0, this.confirmedFailures - answerWeight);
    if (isSlow) {
      const isOld = nowMs - this.slowSinceMs > maxRowMs;
      if (this.slowInARow === 0 || isOld) {
        this.slowInARow = 0;
        this.slowSinceMs = nowMs;
        this.usualBeforeMs = this.slots.usualMs;
      }
      this.slowInARow += 1;
      // What was in flight with the first slow one says nothing of the time after it.
    } else if (isUsual && sentMs >= this.slowSinceMs) this.slowInARow = 0;
    this.#answeredSinceReturn += 1;
    if (this.#answeredSinceReturn >= resetAfter) this.#ejectionsInARow = 0;
  }

  /** Records a failure. @returns the failures in a row, this one included */
  failed(): number {
    this.counts.failed += 1;
    this.#failuresInARow += 1;
    return this.#failuresInARow;
  }

  /** Records that another replica answered a request that this one failed. */
  confirmFailure(): void {
    this.confirmedFailures += 1;
  }

  /** Changes its health. @returns the transition, if its state has changed */
  change(to: HealthChange, nowMs: number): Transition | undefined {
    const before = stateName(this.#health, nowMs);
    const health = this.#next(to, nowMs);
    this.#health = health;
    this.isServing = isServing(health);
    this.slots.limitToOne(health.state === "half-open" ? health.untilMs : Number.NEGATIVE_INFINITY);
    this.isSuspect = health.state === "suspect";
    this.isDoubted = health.state === "suspect" && health.isDoubted === true;
    this.isProbing = this.isSuspect || (health.state === "warming" && !this.#wasProbed);
    this.outUntilMs = health.state === "ejected" ? health.untilMs : undefined;
    this.#settings.observer.changed();
    const after = stateName(health, nowMs);
    return before === after ? undefined : { from: before, to: after };
  }

  #next(to: HealthChange, nowMs: number): ReplicaHealth {
    if (to === "suspect") return { state: "suspect" };
    if (to === "doubt") return { state: "suspect", isDoubted: true };
    if (to === "warming") return { state: "warming" };
    if (to === "drain") return { state: "draining" };
    if (to === "readmit") return { state: "warming" };
    if (to === "eject") return this.#ejected(nowMs);
    this.#wasProbed = true;
    const after = afterProbe(this.#health, to.probe, nowMs, this.#settings);
    if (this.isDoubted && to.probe === "ready") this.trustedUntilMs = nowMs + trustedMs;
    return after === "eject" ? this.#ejected(nowMs) : after;
  }

  #ejected(nowMs: number): ReplicaHealth {
    this.#ejectionsInARow += 1;
    // A failed probe of an ejected replica extends the ejection.
    if (this.#health.state !== "ejected") this.counts.ejections += 1;
    this.#answeredSinceReturn = 0;
    this.#failuresInARow = 0;
    this.slowInARow = 0;
    return { state: "ejected", untilMs: nowMs + ejectionMs(this.#ejectionsInARow, this.#settings) };
  }
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
  /** Whether it may not go to every replica: it has a version, or some are excluded. */
  readonly isChoosy: boolean;
  /** Replicas that do not get it again. */
  readonly excluded: ReadonlySet<string>;
  readonly arrivedMs: number;
  readonly deadlineMs: number;
}

/** Whether a replica may get a request: it is not excluded, and may have the version. */
export function isCandidate(request: CandidateRequest, replica: ScheduledReplica): boolean {
  if (!request.isChoosy) return true;
  return !request.excluded.has(replica.member.id) && mayHave(replica.versions, request);
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
