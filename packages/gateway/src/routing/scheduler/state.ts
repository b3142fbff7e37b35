import type { RoutingStep } from "@tensorgate/core";
import type { Arrival, AttemptFailure, SchedulerCommand } from "./events.ts";
import type { Overload, Rank, RequestQueue } from "./queues/request-queue.ts";
import type { HealthSettings } from "./replicas/health.ts";
import type { PeerLatency } from "./replicas/latency.ts";
import type { Member, ScheduledReplica } from "./replicas/replica.ts";

export interface SchedulerSettings extends HealthSettings {
  readonly ownRegion: string;
  /** Between two regions before it is measured, in milliseconds. */
  roundTripMs(from: string, to: string): number;
  readonly maxAttempts: number;
  readonly maxFailures: number;
  /** Extra attempts after failures, as a share of all requests. */
  readonly retryShare: number;
  /** Extra attempts against slow replies, as a share of all requests. */
  readonly hedgeShare: number;
  readonly probeIntervalMs: number;
  /** Whether requests are timed to arrive when the one before ends; by default unless there is a peer. */
  readonly pacing?: boolean;
  readonly initialServiceMs: number;
  readonly maxWaiting: number;
  /** A queue that is never shorter than this for a while is too long, in milliseconds. */
  readonly codelTargetMs: number;
  /** Least time that an attempt is given before its replica is suspected, in milliseconds. */
  readonly minTryTimeoutMs: number;
}

/** What the parts of a scheduler share while it handles an event. */
export interface SchedulerState {
  /** Of the event that is being handled. */
  nowMs: number;
  readonly models: Map<string, PoolGroup>;
  pools: readonly Pool[];
  /** Others send to the same replicas where there is a peer: two that pace by what each sees are worse than none. */
  isPaced: boolean;
  readonly requests: Map<number, OpenRequest>;
  /** Requests for a version that no replica listed, until probes have come back. */
  readonly searching: Set<OpenRequest>;
  /** Attempts whose replies are waited for, those too whose request has been answered. */
  readonly attempts: Map<number, SentAttempt>;
  /** Pools in which something changed, so that a request that waits there may have a slot. */
  readonly touched: Set<Pool>;
  /** The earliest tick that is wanted, as far as the event that is being handled has asked for one. */
  wakeMs: number;
  /** What is to be done about the event, so far. */
  commands: SchedulerCommand[];
}

/**
 * The pools of one model, over all regions. A request gets it when it arrives and a pool when it is made: nothing later
 * looks them up by the name.
 */
export interface PoolGroup {
  readonly model: string;
  pools: readonly Pool[];
  /** Where the last request of the model went. */
  usedRegion: string;
}

/** The replicas of one model in one region, and the requests that wait for them. */
export interface Pool {
  readonly model: string;
  readonly region: string;
  readonly isRemote: boolean;
  readonly group: PoolGroup;
  readonly line: RequestQueue<OpenRequest>;
  readonly overload: Overload;
  readonly latency: PeerLatency;
  readonly replicas: ReadonlyMap<string, ScheduledReplica>;
  /** Whether one of the replicas is the gateway of the region. */
  readonly hasGateway: boolean;
  /** Share of the replicas' time that is taken, 0..1, over the last requests. */
  readonly utilisation: number;
  /** Takes other members; those that stay keep what is known of them. @returns those that are new */
  setMembers(members: readonly Member[]): readonly ScheduledReplica[];
  /** Adds up the replicas of the pool, for one request or for any. */
  survey(nowMs: number, request?: OpenRequest): PoolSurvey;
  /** The replica that is ready first, of equals the one with the least to do, then the one that rested longest. */
  soonest(nowMs: number, except: ReadonlySet<ScheduledReplica>): Slot | undefined;
  /** How long a new request would wait for a replica to begin with it, in milliseconds. */
  expectedWaitMs(rank: Rank, survey: PoolSurvey): number;
  /** Whether there is room for a new request. */
  room(request: { readonly rank: Rank; readonly isForwarded: boolean }, survey: PoolSurvey): Room;
  /** A request was turned away, here and everywhere else it could have gone. */
  shed(nowMs: number): void;
  /** Whether requests are turned away: the newest come first then, since their callers are the likeliest to wait still. */
  isShedding(nowMs: number): boolean;
  /** How long the queue may be for a while before it is too long, in milliseconds. */
  targetMs(survey: PoolSurvey): number;
  /** How long an attempt may take before its replica is suspected, in milliseconds; Infinity where too little is known. */
  tryTimeoutMs(replica: ScheduledReplica): number;
  /** A request came that could have gone here. */
  observeArrival(survey: PoolSurvey): void;
}

/** `tight` is a region with a queue of its own: room for those who have nowhere else to go. */
export type Room = "open" | "tight" | "full";

export interface Slot {
  readonly replica: ScheduledReplica;
  readonly atMs: number;
}

/** What a pass over the replicas of a pool adds up to. All but `isHopeful` is of those that serve. */
export interface PoolSurvey {
  readonly nowMs: number;
  servingCount: number;
  /** Those of them that are gateways. */
  gatewayCount: number;
  /** Requests that they work on at the same time. */
  parallelism: number;
  slotCount: number;
  inFlight: number;
  /** Requests that they work on now. */
  busy: number;
  /** Requests a millisecond. */
  capacityPerMs: number;
  /** Way there and back to the region, in milliseconds. */
  roundTripMs: number;
  /** Whether one of them may get the request. */
  canServe: boolean;
  /** What a request usually takes at the fastest that may get this one, in milliseconds; Infinity where none may. */
  fastestMs: number;
  /** Whether a replica that may get the request is being probed, so that more is known in a moment. */
  isHopeful: boolean;
}

/** A request that has not ended. It waits, or attempts are under way for it, or both. */
export interface OpenRequest extends Arrival {
  readonly group: PoolGroup;
  readonly rank: Rank;
  readonly arrivedMs: number;
  /** When it joined the line it is in. */
  sinceMs: number;
  waitsIn: Pool | undefined;
  readonly underWay: SentAttempt[];
  /** Replicas that are not asked again. */
  readonly tried: Set<string>;
  /** What failed in each region. */
  readonly failures: Map<string, number>;
  /** Attempts that may have reached a replica and failed. */
  failedCount: number;
  /** Replicas that answered it with a failure of their own. */
  readonly failedBy: ScheduledReplica[];
  /** Replicas that served others and lost their connection over this request. */
  killCount: number;
  /** The attempt that failed last. */
  lastFailed: { readonly attemptId: number; readonly failure: AttemptFailure } | undefined;
  readonly trace: RoutingStep[] | undefined;
}

export interface SentAttempt {
  readonly id: number;
  readonly request: OpenRequest;
  readonly pool: Pool;
  readonly replica: ScheduledReplica;
  sentMs: number;
  /** When the replica is believed to begin with it. */
  expectedStartMs: number;
  /** Replies of the replica before it was sent. */
  readonly repliesThen: number;
  /** Its replica is suspected for it already. */
  isOverdue: boolean;
  /** Its request was answered by another: only the replica is still of interest. */
  isLeftOver: boolean;
}

export function createState(): SchedulerState {
  return {
    nowMs: 0,
    models: new Map(),
    pools: [],
    isPaced: false,
    requests: new Map(),
    searching: new Set(),
    attempts: new Map(),
    touched: new Set(),
    wakeMs: Number.POSITIVE_INFINITY,
    commands: [],
  };
}

/** Adds a step to the trace of a request whose caller wants one; others have none. */
export function note(
  { nowMs }: SchedulerState,
  { trace, arrivedMs }: OpenRequest,
  step: RoutingStep["step"],
): void {
  trace?.push({ atMs: nowMs - arrivedMs, step });
}

/** Asks a replica how it is, unless it is being asked. */
export function probe(state: SchedulerState, { model }: Pool, replica: ScheduledReplica): void {
  if (replica.isProbed) return;
  replica.isProbed = true;
  replica.probeSentMs = state.nowMs;
  replica.repliesAtProbe = replica.counts.answered;
  replica.nextProbeMs = Number.POSITIVE_INFINITY;
  state.commands.push({ type: "probe", model, replicaId: replica.member.id });
}
