import type { CallContext, Clock, ModelSpec, ScoreResolved } from "@tensorgate/core";
import type { DeviceFacts } from "./refusal-error.ts";
import type { AliasOf } from "./routing-trace.ts";
import type { ProbeResult, RoutedPool, StateChange } from "./scheduler/events.ts";
import type { SchedulerSettings } from "./scheduler/scheduler.ts";
import type { SchedulerStatus } from "./scheduler/status.ts";

/** A replica as far as routing needs it. */
export interface RoutedReplica {
  readonly score: ScoreResolved;
  /** Way there and back, in milliseconds; undefined until it is measured. */
  roundTripMs(): number | undefined;
  /** How long its next call of a model would wait, in milliseconds, where it is a gateway. */
  expectedWaitMs?(model: string): number | undefined;
}

/** The replicas of the configuration, which may change at any time. */
export interface RoutedReplicas<Replica extends RoutedReplica> {
  readonly pools: readonly RoutedPool[];
  /** @throws RangeError for an unknown id */
  get(replicaId: string): Replica;
  /** Also finds one that was removed while its last calls end. */
  find(replicaId: string): Replica | undefined;
  /** Calls `listener` after `pools` has changed. */
  onChange(listener: () => void): void;
}

export interface RouterDeps<Replica extends RoutedReplica> {
  readonly settings: SchedulerSettings;
  readonly replicas: RoutedReplicas<Replica>;
  /** Asks a replica, by a cheap real call, whether it can score `model`. */
  readonly probe: (model: string, replicaId: string) => Promise<ProbeResult>;
  /** Called with every change of a replica's state. */
  readonly onChange: (change: StateChange) => void;
  /** What callers see of a replica. */
  readonly aliasOf: AliasOf;
  /** What callers see of a model that no replica has, where devices hold one at a time. */
  readonly devicesOf?: (model: string, residency?: readonly string[]) => DeviceFacts | undefined;
  readonly clock: Clock;
}

/** Something that is asked of a model at one replica. */
export type AskModel<Answer> = (modelSpec: ModelSpec, call: CallContext) => Promise<Answer>;

export interface Router<Replica extends RoutedReplica> {
  /**
   * Scores a request at a replica, and at another one when that fails.
   *
   * @throws UnknownVersionError if no replica where it may be served has the version that it names
   * @throws NoReplicaError if no replica of the model is in rotation
   * @throws ModelNotReadyError if the model is being loaded everywhere
   * @throws ForbiddenError if residency leaves no region
   * @throws OverloadedError if too much is waiting
   * @throws UpstreamFailedError if every attempt failed
   */
  readonly score: ScoreResolved;
  /** Asks replicas in rotation one after the other, the nearest first: what costs them little needs no slot. */
  ask<Answer>(question: (replica: Replica) => AskModel<Answer>): AskModel<Answer>;
  /**
   * The version that a call would be answered by now; undefined where that is not known, or differs between the
   * replicas that it may come to.
   */
  expectedVersion(modelSpec: ModelSpec, call: CallContext): bigint | undefined;
  status(): SchedulerStatus;
  /** Regions where `model` is configured. */
  regionsOf(model: string): readonly string[];
  /** Gives a replica nothing new; resolves when it has nothing left. */
  drain(replicaId: string): Promise<void>;
  /** Gives it calls again, after a good probe. */
  readmit(replicaId: string): void;
  /** Stops probing, and ends whatever is still open. */
  close(): void;
}
