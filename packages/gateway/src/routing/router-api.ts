import type {
  CallContext,
  Clock,
  ModelSpec,
  ResolvedModel,
  ResolvedRequest,
} from "@tensorgate/core";
import type { DeviceFacts } from "./refusal-error.ts";
import type { AliasOf } from "./routing-trace.ts";
import type { ProbeResult, RoutedPool, StateChange } from "./scheduler/events.ts";
import type { SchedulerSettings } from "./scheduler/scheduler.ts";
import type { SchedulerStatus } from "./scheduler/status.ts";

/** Does something at one replica; it may be done again at another when it fails. */
export type CallReplica<Answer> = (replicaId: string, call: CallContext) => Promise<Answer>;

export interface Dispatched<Answer> {
  readonly answer: Answer;
  /** Where it was answered. */
  readonly region: string;
}

/** What a call asks for, with what its model allows. */
export type DispatchedRequest = Pick<ResolvedRequest, "modelSpec"> & {
  readonly model: Pick<ResolvedModel, "name" | "isIdempotent" | "mayHedge">;
};

/**
 * Finds a replica for a call and does `attempt` there, at another one when that fails.
 *
 * @throws UnknownVersionError if no replica where it may be served has the version that it names
 * @throws NoReplicaError if no replica of the model is in rotation
 * @throws ModelNotReadyError if the model is being loaded everywhere
 * @throws ForbiddenError if residency leaves no region
 * @throws OverloadedError if too much is waiting
 * @throws UpstreamFailedError if every attempt failed
 */
export type Dispatch = <Answer>(
  request: DispatchedRequest,
  call: CallContext,
  attempt: CallReplica<Answer>,
) => Promise<Dispatched<Answer>>;

/** What a replica tells of itself beside its answers. */
export interface ReplicaFacts {
  /** Way there and back, in milliseconds. */
  readonly roundTripMs?: number | undefined;
  /** That its next call would wait, in milliseconds, where it is a gateway. */
  readonly expectedWaitMs?: number | undefined;
}

export interface RouterDeps {
  readonly settings: SchedulerSettings;
  readonly pools: readonly RoutedPool[];
  /** Asks a replica, by a cheap real call, whether it can score `model`. */
  readonly probe: (model: string, replicaId: string) => Promise<ProbeResult>;
  /** Also asked of a replica that was taken out a moment ago. */
  readonly factsOf: (model: string, replicaId: string) => ReplicaFacts;
  /** The version that an answer of an attempt says it is of; undefined where it tells none. */
  readonly versionOf?: (answer: unknown) => bigint | undefined;
  /** Called with every change of a replica's state. */
  readonly onChange: (change: StateChange) => void;
  /** What callers see of a replica. */
  readonly aliasOf: AliasOf;
  /** What callers see of a model that no replica has, where devices hold one at a time. */
  readonly devicesOf?: (model: string, residency?: readonly string[]) => DeviceFacts | undefined;
  readonly clock: Clock;
}

export interface Router {
  readonly dispatch: Dispatch;
  /** Asks replicas in rotation one after the other, the nearest first: what costs them little needs no slot. */
  ask<Answer>(
    modelSpec: ModelSpec,
    call: CallContext,
    attempt: CallReplica<Answer>,
  ): Promise<Answer>;
  /**
   * The version that a call would be answered by now; undefined where that is not known, or differs between the
   * replicas that it may come to.
   */
  expectedVersion(modelSpec: ModelSpec, call: CallContext): bigint | undefined;
  setPools(pools: readonly RoutedPool[]): void;
  status(): SchedulerStatus;
  /** Regions where `model` is configured. */
  regionsOf(model: string): readonly string[];
  /** How long a new call would wait here, in milliseconds. */
  expectedWaitMs(model: string): number;
  /** Gives a replica nothing new; resolves when it has nothing left. */
  drain(replicaId: string): Promise<void>;
  /** Gives it calls again, after a good probe. */
  readmit(replicaId: string): void;
  /** Stops probing, and ends whatever is still open. */
  close(): void;
}
