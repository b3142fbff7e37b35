import type {
  CallContext,
  CallController,
  Clock,
  ModelSpec,
  ResolvedRequest,
  ScoreResolved,
  ScoreResponse,
  ScoringError,
} from "@tensorgate/core";
import type { DeviceInfo } from "./rejection-error.ts";
import type { AliasOf } from "./routing-trace.ts";
import type { ProbeResult, RoutedPool, StateChange } from "./scheduler/events.ts";
import type { SchedulerSettings } from "./scheduler/scheduler.ts";
import type { SchedulerStatus } from "./scheduler/status.ts";
import type { SlotSharing } from "./sharing/slot-sharing.ts";

/** A replica as far as routing needs it. */
export interface RoutedReplica {
  readonly score: ScoreResolved;
  /** Returns the round trip, in milliseconds; undefined before it is measured. */
  roundTripMs(): number | undefined;
  /** Returns how long its next call of a model would wait, in milliseconds, if it is a gateway. */
  expectedWaitMs?(model: string): number | undefined;
}

/** The replicas of the configuration, which may change at any time. */
export interface RoutedReplicas<Replica extends RoutedReplica> {
  readonly pools: readonly RoutedPool[];
  /** Replicas by id, including those that were removed and are still draining. */
  readonly byId: Pick<ReadonlyMap<string, Replica>, "get">;
  /** Calls `listener` after `pools` has changed. */
  onChange(listener: () => void): void;
}

export interface RouterDeps<Replica extends RoutedReplica> {
  readonly settings: SchedulerSettings;
  readonly replicas: RoutedReplicas<Replica>;
  /** Probes a replica: whether it can score `model`, by a cheap call. */
  readonly probe: (model: string, replicaId: string) => Promise<ProbeResult>;
  /** Called with every change of a replica's state. */
  readonly onChange: (change: StateChange) => void;
  /** Returns the name by which callers know a replica. */
  readonly aliasOf: AliasOf;
  /** Describes the devices that could hold a model, for errors. */
  readonly devicesOf?: (model: string, residency?: readonly string[]) => DeviceInfo | undefined;
  /** Present if other gateways send to the same replicas. */
  readonly sharing?: SlotSharing | undefined;
  readonly clock: Clock;
}

/** A call about a model, other than scoring, at one replica. */
export type AskModel<Answer> = (modelSpec: ModelSpec, call: CallContext) => Promise<Answer>;

export interface Router<Replica extends RoutedReplica> {
  /**
   * Scores a request at a replica, and at another one when that fails.
   *
   * @throws UnknownVersionError if no replica in its regions has the version
   * @throws NoReplicaError if no replica of the model is in rotation
   * @throws ModelNotReadyError if the model is being loaded everywhere
   * @throws ForbiddenError if residency excludes every region
   * @throws OverloadedError if no region has capacity
   * @throws UpstreamFailedError if every attempt failed
   */
  readonly score: ScoreResolved;
  /**
   * Rejects a call whose body has not come in yet, if it would be rejected for want of capacity now.
   *
   * @throws OverloadedError
   */
  assertCapacity(request: Pick<ResolvedRequest, "model" | "modelSpec">, call: CallContext): void;
  /** Calls replicas in rotation one after the other, the nearest first, without a slot: such calls are cheap. */
  ask<Answer>(question: (replica: Replica) => AskModel<Answer>): AskModel<Answer>;
  /**
   * Returns the version that would answer a call now; undefined if that is unknown, or differs between the replicas that
   * may get it.
   */
  expectedVersion(modelSpec: ModelSpec, call: CallContext): bigint | undefined;
  status(): SchedulerStatus;
  /**
   * Whether every pool can serve, except those whose devices hold another model.
   *
   * @param isDevice - whether a replica holds one model at a time
   */
  canServeAll(isDevice: (replicaId: string) => boolean): boolean;
  /** Lists the regions where `model` is configured. */
  regionsOf(model: string): readonly string[];
  /** Sends a replica nothing new. Resolves when nothing is in flight there. */
  drain(replicaId: string): Promise<void>;
  /** Sends it calls again, after a good probe. */
  readmit(replicaId: string): void;
  /** Stops probing, and ends all open calls. */
  close(): void;
}

/** How an attempt ended: with a response or an error. */
export interface AttemptOutcome {
  readonly attemptId: number;
  readonly response?: ScoreResponse;
  readonly error?: ScoringError;
}

/** A call that has not ended. */
export interface PendingCall {
  readonly id: number;
  readonly request: ResolvedRequest;
  readonly call: CallContext;
  /** Results of its attempts, until the scheduler decides which one counts. */
  outcomes: AttemptOutcome[];
  attemptCount: number;
  readonly resolve: (response: ScoreResponse) => void;
  readonly reject: (error: unknown) => void;
  /** Listens to the signal of the call. */
  readonly onAbort: () => void;
}

/** An attempt in flight, orphaned or not. */
export interface RunningAttempt {
  readonly call: CallContext;
  readonly replicaId: string;
  readonly controller: CallController;
}
