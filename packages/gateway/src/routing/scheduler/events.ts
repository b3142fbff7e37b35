import type { Priority, RoutingStep } from "@tensorgate/core";

/** Which version a request asks for; neither means the latest. */
export interface VersionChoice {
  readonly version?: bigint | undefined;
  readonly versionLabel?: string | undefined;
}

/** What a replica says of the versions of a model, as its last probe found it. */
export interface ReplicaVersions {
  /** Versions that it has; undefined where it does not list them, so that it may have any. */
  readonly listed: readonly bigint[] | undefined;
  /** Version that answers a request which names none; undefined where that is not known. */
  readonly latest: bigint | undefined;
}

/** A request as the scheduler knows it: where it may go, how long it may take, what may be done with it. */
export interface Arrival extends VersionChoice {
  readonly id: number;
  readonly model: string;
  readonly priority: Priority;
  /** When its caller stops to wait, on the clock of the events. */
  readonly deadlineMs: number;
  /** Region to prefer. */
  readonly region?: string;
  /** Regions it may be served in; never left, whatever fails. */
  readonly residency?: readonly string[];
  /** Whether it may be done twice. */
  readonly isIdempotent: boolean;
  /** Whether it may be sent to a second replica while the first one still works on it. */
  readonly mayHedge: boolean;
  /** Whether another gateway sent it here: it is not sent on to a third. */
  readonly isForwarded: boolean;
  /** Whether the caller wants to know why it went where it went. */
  readonly isTraced: boolean;
}

/** Why an attempt brought no answer. */
export type AttemptFailure =
  /** The replica cannot have seen the request. */
  | "never-sent"
  /** The same, since the connection was closed in good order: the next attempt makes a new one. */
  | "turned-away"
  /** The connection broke after the request had left. */
  | "lost"
  /** The replica said that it failed, or what it said could not be read. */
  | "failed"
  /** The replica said that it has no room. */
  | "full"
  /** The replica said that its model is still being loaded. */
  | "warming"
  /** The replica said that it does not serve the model, or not that version of it: it has done nothing. */
  | "not-served"
  /** The replica said that it does not know the version label: it has done nothing. */
  | "unknown-label"
  /** The model gave up there with one of the codes of `not-served`, but while it ran: something may have been done. */
  | "model-broken";

/** What a probe found: the model can be scored, it is not loaded yet, or nobody answered. */
export type ProbeFinding = "ready" | "warming" | "lost";

/** What a probe found, in words. */
export interface ProbeNote {
  /** Without addresses, for callers. */
  readonly message: string;
  /** In full, for the log and for operators. */
  readonly detail: string;
}

/** What a probe tells of a replica and of one model there. */
export interface ProbeResult {
  readonly finding: ProbeFinding;
  /** Absent where the probe does not tell: what was known before holds. */
  readonly versions?: ReplicaVersions;
  /** What was found, unless the model is simply ready. */
  readonly note?: ProbeNote;
}

/** The replicas that serve one model in one region, as the configuration and discovery have them. */
export interface RoutedPool {
  readonly model: string;
  readonly region: string;
  /** Opaque here: no addresses. Empty while none is known. */
  readonly replicaIds: readonly string[];
  /** Requests that each of them works on at the same time; learnt where it is `auto`. */
  readonly parallelism: number | "auto";
  /** Whether they are the gateway of the region rather than replicas themselves. */
  readonly isGateway: boolean;
}

/** What happens. */
export type SchedulerEvent =
  | { readonly type: "arrival"; readonly request: Arrival }
  /**
   * A reply has come, whatever it says of the request.
   * `expectedWaitMs` is what a gateway said that its next request would wait, in milliseconds, `version` the version
   * that answered, where the reply tells it.
   */
  | {
      readonly type: "answered";
      readonly attemptId: number;
      readonly expectedWaitMs?: number;
      readonly version?: bigint;
    }
  | { readonly type: "failed"; readonly attemptId: number; readonly failure: AttemptFailure }
  /** The caller left. What a replica works on it goes on: nobody can stop a device. */
  | { readonly type: "cancelled"; readonly id: number }
  | (ProbeResult & {
      readonly type: "probed";
      readonly model: string;
      readonly replicaId: string;
      /** That the question was on the way, in milliseconds. */
      readonly roundTripMs?: number;
      readonly expectedWaitMs?: number;
    })
  /** What there is to serve from now on. */
  | { readonly type: "pools"; readonly pools: readonly RoutedPool[] }
  /** A replica is to get nothing new, for a while. */
  | { readonly type: "drain"; readonly replicaId: string }
  /** A replica that was drained may serve again, after a good probe. */
  | { readonly type: "readmit"; readonly replicaId: string }
  /** A time that was asked for has come. */
  | { readonly type: "tick" };

/** Why a request ends without an answer. */
export type Refusal =
  /** It could not be answered before its deadline any more. */
  | "deadline"
  /** The model is in no region where the request may be served. */
  | "residency"
  /** No replica where it may be served has the version that it names. */
  | "unknown-version"
  /** Every replica that could take it is out. */
  | "no-replica"
  /** The model is being loaded everywhere. */
  | "model-not-ready"
  /** More is waiting already than can be served in time. */
  | "overloaded"
  /** Its last attempt failed, and there is no other. */
  | "attempt-failed"
  /** Replicas that served others lost their connection twice over this one. */
  | "kills-replicas";

/** What is to be done about it. */
export type SchedulerCommand =
  | Send
  /** The answer of this attempt is the request's. */
  | {
      readonly type: "settle";
      readonly id: number;
      readonly attemptId: number;
      /** What was decided, where the caller wants to know. */
      readonly trace?: readonly RoutingStep[];
    }
  | Refuse
  /** The caller has gone, and wanted to know what was decided. */
  | { readonly type: "leave"; readonly id: number; readonly trace: readonly RoutingStep[] }
  /** Nobody waits for this attempt any more. */
  | { readonly type: "abandon"; readonly attemptId: number }
  | { readonly type: "probe"; readonly model: string; readonly replicaId: string }
  | { readonly type: "note"; readonly change: StateChange }
  /** A tick is wanted then. */
  | { readonly type: "wake"; readonly atMs: number };

export interface Send {
  readonly type: "send";
  readonly id: number;
  readonly attemptId: number;
  readonly model: string;
  readonly region: string;
  readonly replicaId: string;
  /** That it waited for a slot, in milliseconds. */
  readonly waitedMs: number;
}

export interface Refuse {
  readonly type: "refuse";
  readonly id: number;
  readonly because: Refusal;
  /** The attempt that failed last, where one did. */
  readonly attemptId?: number;
  /** When it may be worth another try, in milliseconds from now. */
  readonly retryAfterMs?: number;
  readonly trace?: readonly RoutingStep[];
}

/** A replica went from one state to another. */
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
  "returning",
  "suspect",
  "ejected",
  "draining",
] as const;

export type ReplicaStateName = (typeof replicaStates)[number];
