import type { Priority, RoutingStep } from "@tensorgate/core";

/** Version that a request names; without one the latest. */
export interface VersionChoice {
  readonly version?: bigint | undefined;
  readonly versionLabel?: string | undefined;
}

/** Versions of a model at a replica, as its last probe found them. */
export interface ReplicaVersions {
  /** Versions that it lists; undefined if it does not list them, so that it may have any. */
  readonly listed: readonly bigint[] | undefined;
  /** Version that answers a request without one; undefined if unknown. */
  readonly latest: bigint | undefined;
}

/** A request as the scheduler sees it: where it may go, until when, and how often. */
export interface Arrival extends VersionChoice {
  readonly id: number;
  readonly model: string;
  readonly priority: Priority;
  /** Deadline, on the clock of the events. */
  readonly deadlineMs: number;
  /** Preferred region. */
  readonly region?: string | undefined;
  /** Regions that may serve it, whatever fails. */
  readonly residency?: readonly string[] | undefined;
  /** Whether it may be processed twice. */
  readonly isIdempotent: boolean;
  /** Whether it may be sent to a second replica while the first attempt is in flight. */
  readonly mayHedge: boolean;
  /** Whether another gateway sent it here: it is not sent on to a third. */
  readonly isForwarded: boolean;
  /** Whether the caller asked for a routing trace. */
  readonly isTraced: boolean;
  /** One way to the gateway that sends it, in milliseconds, if that is another one. */
  readonly detourMs?: number;
}

/** Why an attempt has failed. */
export type AttemptFailure =
  /** The replica has not processed the request: there was no connection, or it refused the stream. */
  | "unprocessed"
  /** The same, because the connection was closed in good order: the next attempt makes a new one. */
  | "goaway"
  /** The connection broke after the request had left. */
  | "lost"
  /** The replica answered with a server error, or with a reply that cannot be read. */
  | "failed"
  /** The replica rejected the request for want of capacity. */
  | "full"
  /** The replica is still loading the model. */
  | "warming"
  /** The replica does not serve the model, or not that version: nothing was done. */
  | "not-served"
  /** The replica does not know the version label: nothing was done. */
  | "unknown-label"
  /** The model failed with one of the codes of `not-served`, but while it ran: something may have been done. */
  | "model-broken";

/** What a probe found: the model is ready, it is not loaded yet, or no answer came. */
export type ProbeFinding = "ready" | "warming" | "lost";

/** Text of what a probe found. */
export interface ProbeNote {
  /** Without addresses, for callers. */
  readonly message: string;
  /** In full, for the log and for operators. */
  readonly detail: string;
}

/** Result of a probe of one model at a replica. */
export interface ProbeResult {
  readonly finding: ProbeFinding;
  /** Absent if the probe does not show them: the versions before hold. */
  readonly versions?: ReplicaVersions;
  /** Absent if the model is simply ready. */
  readonly note?: ProbeNote;
}

/** The replicas that serve one model in one region, by configuration and discovery. */
export interface RoutedPool {
  readonly model: string;
  readonly region: string;
  /** Opaque ids, no addresses. Empty while none is known. */
  readonly replicaIds: readonly string[];
  /** Requests that each of them processes at the same time; `auto` for an adaptive limit. */
  readonly parallelism: number | "auto";
  /** Whether they are gateways of the region rather than replicas. */
  readonly isGateway: boolean;
}

/** Input of the scheduler. */
export type SchedulerEvent =
  | { readonly type: "arrival"; readonly request: Arrival }
  /**
   * A reply has come, an error of the caller included. `expectedWaitMs` is the wait that a gateway reported for its next
   * request, in milliseconds, `version` the version that answered, if the reply names it, `roundTripMs` the round trip as
   * measured so far.
   */
  | {
      readonly type: "answered";
      readonly attemptId: number;
      readonly expectedWaitMs?: number | undefined;
      readonly version?: bigint | undefined;
      readonly roundTripMs?: number | undefined;
    }
  | { readonly type: "failed"; readonly attemptId: number; readonly failure: AttemptFailure }
  /** The caller has left. Attempts in flight go on: a device cannot be stopped. */
  | { readonly type: "cancelled"; readonly id: number }
  | (ProbeResult & {
      readonly type: "probed";
      readonly model: string;
      readonly replicaId: string;
      /** Round trip of the probe, in milliseconds. */
      readonly roundTripMs?: number | undefined;
      readonly expectedWaitMs?: number | undefined;
    })
  /** Replaces the pools. */
  | { readonly type: "pools"; readonly pools: readonly RoutedPool[] }
  /**
   * How many gateways send to the replicas, each by its own queue: 1 if this scheduler has the calls of all. Otherwise
   * each takes its share of the slots, one at least, and does not pace.
   */
  | { readonly type: "sharing"; readonly gatewayCount: number }
  /** A replica gets nothing new until it is readmitted. */
  | { readonly type: "drain"; readonly replicaId: string }
  /** A drained replica may serve again, after a good probe. */
  | { readonly type: "readmit"; readonly replicaId: string }
  /** The time of a `wake` command has come. */
  | { readonly type: "tick" };

/** Why a request ends without an answer. */
export type Rejection =
  /** No replica could answer before its deadline. */
  | "deadline"
  /** Residency excludes every region of the model. */
  | "residency"
  /** No replica in its regions has the version. */
  | "unknown-version"
  /** Every replica that may get it is out. */
  | "no-replica"
  /** The model is being loaded everywhere. */
  | "model-not-ready"
  /** No region has capacity. */
  | "overloaded"
  /** Its last attempt failed, and it is not retried. */
  | "attempt-failed"
  /** A poison request: two replicas that served others lost their connection over it. */
  | "kills-replicas";

/** Output of the scheduler. */
export type SchedulerCommand =
  | Send
  /** Ends a request with the answer of an attempt. */
  | {
      readonly type: "settle";
      readonly id: number;
      readonly attemptId: number;
      /** Routing trace, if the caller asked for one. */
      readonly trace?: readonly RoutingStep[];
    }
  | Reject
  /** Ends a traced request whose caller has left. */
  | { readonly type: "leave"; readonly id: number; readonly trace: readonly RoutingStep[] }
  /** Cancels an attempt. */
  | { readonly type: "abandon"; readonly attemptId: number }
  | { readonly type: "probe"; readonly model: string; readonly replicaId: string }
  | { readonly type: "state-change"; readonly change: StateChange }
  /** Asks for a tick then. */
  | { readonly type: "wake"; readonly atMs: number };

export interface Send {
  readonly type: "send";
  readonly id: number;
  readonly attemptId: number;
  readonly model: string;
  readonly region: string;
  readonly replicaId: string;
  /** How long it was queued, in milliseconds. */
  readonly waitedMs: number;
}

export interface Reject {
  readonly type: "reject";
  readonly id: number;
  readonly because: Rejection;
  /** The attempt that failed last, if one did. */
  readonly attemptId?: number;
  /** After how long a retry may succeed, in milliseconds. */
  readonly retryAfterMs?: number;
  readonly trace?: readonly RoutingStep[];
}

/** A change of a replica's state. */
export interface StateChange {
  readonly model: string;
  readonly region: string;
  readonly replicaId: string;
  readonly from: ReplicaStateName;
  readonly to: ReplicaStateName;
  readonly because: string;
}

export const replicaStates = [
  "warming",
  "ready",
  "half-open",
  "suspect",
  "ejected",
  "draining",
] as const;

export type ReplicaStateName = (typeof replicaStates)[number];
