import type { PoolMembers, SchedulerCommand } from "./events.ts";
import type { Attempt, OpenRequest, RequestPool } from "./open-request.ts";
import type { PoolSettings } from "./pool.ts";
import type { Replica } from "./replicas/replica.ts";
import { type WakeTimes, wakeTimes } from "./wake-times.ts";

export interface SchedulerSettings extends Omit<PoolSettings, "isPaced"> {
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
}

/** What the parts of a scheduler share while it handles an event. */
export interface SchedulerState {
  /** Of the event that is being handled. */
  nowMs: number;
  pools: readonly RequestPool[];
  /** Others send to the same replicas where there is a peer: two that pace by what each sees are worse than none. */
  isPaced: boolean;
  byModel: ReadonlyMap<string, readonly RequestPool[]>;
  readonly requests: Map<number, OpenRequest>;
  /** Requests for a version that no replica listed, until probes have come back. */
  readonly searching: Set<OpenRequest>;
  /** Attempts whose replies are waited for, those too whose request has been answered. */
  readonly attempts: Map<number, Attempt>;
  /** Pools in which something changed, so that somebody who waits there may have a slot. */
  readonly touched: Set<RequestPool>;
  readonly wakes: WakeTimes;
  /** What is to be done about the event, so far. */
  commands: SchedulerCommand[];
}

export function createState(): SchedulerState {
  return {
    ...{
      nowMs: 0,
      pools: [],
      isPaced: false,
      byModel: new Map(),
      commands: [],
      wakes: wakeTimes(),
    },
    ...{ requests: new Map(), searching: new Set(), attempts: new Map(), touched: new Set() },
  };
}

export function poolsOf({ byModel }: SchedulerState, model: string): readonly RequestPool[] {
  return byModel.get(model) ?? [];
}

/** Asks a replica how it is, unless it is being asked. */
export function probe(state: SchedulerState, { model }: RequestPool, replica: Replica): void {
  if (replica.isProbed) return;
  replica.isProbed = true;
  replica.probeSentMs = state.nowMs;
  replica.repliesAtProbe = replica.counts.answered;
  replica.nextProbeMs = Number.POSITIVE_INFINITY;
  state.commands.push({ type: "probe", model, replicaId: replica.member.id });
}

/** What is configured twice for the same model and region is one pool. */
export function merged(members: readonly PoolMembers[]): readonly PoolMembers[] {
  const grouped = Map.groupBy(members, ({ model, region }) => JSON.stringify([model, region]));
  return [...grouped.values()].flatMap((group) => {
    const [first] = group;
    if (!first) return [];
    const all = new Map(group.flatMap((each) => each.members).map((each) => [each.id, each]));
    return [{ ...first, members: [...all.values()] }];
  });
}
