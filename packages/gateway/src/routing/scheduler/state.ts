import { createIndexedHeap, IdMap, type IndexedHeap, type RoutingStep } from "@tensorgate/core";
import type { Arrival, AttemptFailure, SchedulerCommand } from "./events.ts";
import type { Overload, Rank, RequestQueue, Waiting } from "./queues/request-queue.ts";
import type { HealthSettings } from "./replicas/health.ts";
import { createOwnLag, type OwnLag, type PeerLatency } from "./replicas/latency.ts";
import type { Member, ScheduledReplica } from "./replicas/replica.ts";
import type { ReplicaTotals, Slot } from "./replicas/replica-index.ts";
import type { TakenSlot } from "./replicas/taken-slot.ts";

export interface SchedulerSettings extends HealthSettings {
  readonly ownRegion: string;
  /** Round trip between two regions before it is measured, in milliseconds. */
  roundTripMs(from: string, to: string): number;
  readonly maxAttempts: number;
  readonly maxFailures: number;
  /** Extra attempts after failures, as a share of all requests. */
  readonly retryShare: number;
  /** Extra attempts against slow replies, as a share of all requests. */
  readonly hedgeShare: number;
  readonly probeIntervalMs: number;
  /** Whether a request is timed to arrive when the one before it ends; by default unless a pool has a gateway. */
  readonly pacing?: boolean;
  readonly initialServiceMs: number;
  readonly maxWaiting: number;
  /** Queueing delay above which a pool is overloaded if it lasts, in milliseconds. */
  readonly codelTargetMs: number;
  /** Minimum time before the replica of an attempt is suspected, in milliseconds. */
  readonly minTryTimeoutMs: number;
}

/** State that the parts of a scheduler share. */
export interface SchedulerState {
  /** Time of the event that is being handled. */
  nowMs: number;
  readonly ownLag: OwnLag;
  readonly models: Map<string, PoolGroup>;
  pools: readonly Pool[];
  /** Off if other gateways send to the same replicas: two that pace by what each sees do worse than none. */
  isPaced: boolean;
  /** Gateways that send to the replicas, each by its own queue; this one counts. */
  gatewayCount: number;
  readonly requests: IdMap<OpenRequest>;
  /** Requests for a version that no replica listed, until probes have come back. */
  readonly searching: Set<OpenRequest>;
  /** Attempts in flight, including orphaned ones. */
  readonly attempts: IdMap<SentAttempt>;
  /** Replicas by when their next probe is due. */
  readonly probes: IndexedHeap<ScheduledReplica>;
  /** Replicas that may still process attempts whose reply will not be read. */
  readonly abandoned: Set<ScheduledReplica>;
  /** Pools that may have no replica that serves: all that have none, and some more. */
  readonly unserved: Set<Pool>;
  /** Pools in which something changed, so that a queued request may get a slot; from the first one on each has the next. */
  firstTouched: Pool | undefined;
  lastTouched: Pool | undefined;
  /** How many pools may have a queue. */
  queueCount: number;
  /** Events handled so far. */
  eventCount: number;
  /** The earliest tick that the event being handled needs. */
  wakeMs: number;
  /** Commands of the event being handled, so far. */
  commands: SchedulerCommand[];
}

/**
 * The pools of one model, over all regions. Requests and pools refer to it from the beginning, so that nothing later looks
 * it up by name.
 */
export interface PoolGroup {
  readonly model: string;
  pools: readonly Pool[];
  /** Region of the model's last request. */
  usedRegion: string;
}

/** The replicas of one model in one region, and the requests queued for them. */
export interface Pool {
  readonly model: string;
  readonly region: string;
  readonly isRemote: boolean;
  readonly group: PoolGroup;
  readonly queue: RequestQueue<OpenRequest>;
  readonly overload: Overload;
  readonly latency: PeerLatency;
  readonly replicas: ReadonlyMap<string, ScheduledReplica>;
  /** The pool that the event being handled has changed next. Set by `touch`. */
  nextTouched: Pool | undefined;
  /** Whether requests may be queued: a tick looks for slots for them. */
  mayHaveQueue: boolean;
  /** Whether one of the replicas is the gateway of the region. */
  readonly hasGateway: boolean;
  /** Share of the replicas' concurrency in use, 0..1, over the last arrivals. */
  readonly utilisation: number;
  /** Replaces the members; those that stay keep their state. @returns the new ones */
  setMembers(members: readonly Member[]): readonly ScheduledReplica[];
  /** Notes that something changed in it: it is served when the event was handled. */
  touch(): void;
  /** Adds up the replicas of the pool, for one request or for any. */
  survey(nowMs: number, request?: OpenRequest): PoolSurvey;
  /** Finds the replica that is ready first; of equals the one with the fewest in flight, then the longest idle one. */
  soonest(nowMs: number): Slot | undefined;
  /** The same among those that are not excepted, by a pass over them. */
  soonestExcept(nowMs: number, except: ReadonlySet<ScheduledReplica>): Slot | undefined;
  /** Returns how long a new request would wait before a replica begins with it, in milliseconds. */
  expectedWaitMs(rank: Rank, survey: PoolSurvey): number;
  /** Returns whether the queue admits a new request. */
  capacityFor(
    request: { readonly rank: Rank; readonly isForwarded: boolean },
    survey: PoolSurvey,
  ): Capacity;
  /** Whether the queue admits every request, whatever it is. */
  hasRoom(nowMs: number): boolean;
  /** Records that a request was rejected for want of capacity in every region. */
  onShed(nowMs: number): void;
  /** Whether requests are being shed: the newest go first then, since their callers are the likeliest to be waiting still. */
  isShedding(nowMs: number): boolean;
  /** Returns the queueing delay above which the pool is overloaded if it lasts, in milliseconds. */
  targetMs(survey: PoolSurvey): number;
  /** Whether requests wait for the gateway's own processor, and the replicas could serve more than they get. */
  isHeldUp(nowMs: number): boolean;
  /** Returns how long an attempt may take before its replica is suspected, in milliseconds; Infinity before enough replies. */
  tryTimeoutMs(replica: ScheduledReplica): number;
  /** Counts a request of the model, whether it is queued here or not. */
  observeArrival(nowMs: number): void;
}

/** `limited` is a region that queues already: it admits only requests that no replica of this region can serve. */
export type Capacity = "open" | "limited" | "full";

/** What the replicas of a pool add up to, and for a request which of them may get it. */
export interface PoolSurvey extends Readonly<ReplicaTotals> {
  readonly nowMs: number;
  /** Round trip to the region, in milliseconds. */
  readonly roundTripMs: number;
  /** Whether one of them may get the request. */
  canServe: boolean;
  /** Usual service time of the fastest replica that may get the request, in milliseconds; Infinity if none may. */
  fastestMs: number;
  /** Whether a replica that may get the request is out and being probed. */
  isProbing: boolean;
}

/** A request that has not ended: it is queued, or attempts are in flight, or both. */
export interface OpenRequest
  extends Required<Omit<Arrival, "model" | "priority" | "isTraced">>,
    Waiting<OpenRequest> {
  readonly group: PoolGroup;
  readonly arrivedMs: number;
  /** When it was queued last. */
  sinceMs: number;
  queuedIn: Pool | undefined;
  inFlight: readonly SentAttempt[];
  /** Replicas that do not get the request again. */
  excluded: ReadonlySet<string>;
  /** Whether it may not go to every replica: it has a version, or some are excluded. */
  isChoosy: boolean;
  /** Failures by region. */
  failures: ReadonlyMap<string, number>;
  /** Attempts that may have reached a replica and failed. */
  failedCount: number;
  /** Replicas that answered it with a server error. */
  failedBy: readonly ScheduledReplica[];
  /** Replicas that served other requests and lost their connection over this one: it may be a poison request. */
  lostReplicaCount: number;
  /** The attempt that failed last. */
  lastFailed: { readonly attemptId: number; readonly failure: AttemptFailure } | undefined;
  readonly trace: RoutingStep[] | undefined;
}

export interface SentAttempt {
  readonly id: number;
  readonly request: OpenRequest;
  readonly pool: Pool;
  readonly replica: ScheduledReplica;
  readonly slot: TakenSlot;
  sentMs: number;
  /** When the replica should begin with it. */
  expectedStartMs: number;
  /** Replies of the replica before it was sent. */
  readonly repliesThen: number;
  /** Whether its timeout has passed, so that its replica is suspected. */
  isOverdue: boolean;
  /** Whether its request has ended: the reply only tells when the replica is free. */
  isOrphaned: boolean;
}

export function createState(): SchedulerState {
  return {
    nowMs: 0,
    ownLag: createOwnLag(),
    models: new Map(),
    pools: [],
    isPaced: false,
    gatewayCount: 1,
    requests: new IdMap(),
    searching: new Set(),
    attempts: new IdMap(),
    probes: createIndexedHeap((one, other) => one.nextProbeMs < other.nextProbeMs),
    abandoned: new Set(),
    unserved: new Set(),
    firstTouched: undefined,
    lastTouched: undefined,
    queueCount: 0,
    eventCount: 0,
    wakeMs: Number.POSITIVE_INFINITY,
    commands: [],
  };
}

/** Adds a step to the trace of a request, if its caller asked for one. */
export function addStep(
  { nowMs }: SchedulerState,
  { trace, arrivedMs }: OpenRequest,
  step: RoutingStep["step"],
): void {
  trace?.push({ atMs: nowMs - arrivedMs, step });
}

/** Sets when the next probe of a replica is due, in milliseconds; Infinity for never. */
export function probeAt({ probes }: SchedulerState, replica: ScheduledReplica, atMs: number): void {
  replica.nextProbeMs = atMs;
  if (atMs < Number.POSITIVE_INFINITY) probes.place(replica);
  else probes.remove(replica);
}

/** Probes a replica, unless a probe is in flight. */
export function probe(state: SchedulerState, replica: ScheduledReplica): void {
  if (replica.isProbeInFlight) return;
  replica.isProbeInFlight = true;
  replica.probeSentMs = state.nowMs;
  replica.repliesAtProbe = replica.counts.answered;
  probeAt(state, replica, Number.POSITIVE_INFINITY);
  const { model } = replica;
  state.commands.push({ type: "probe", model, replicaId: replica.member.id });
}
