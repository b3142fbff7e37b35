import type { CallSignal } from "./call-signal.ts";
import type { AnsweringModel } from "./model-spec.ts";
import type { RoutingStep } from "./routing-trace.ts";
import type { ScoringError } from "./scoring-error.ts";

/** An instant on the monotonic clock, in milliseconds; never a wall-clock time. */
export interface Deadline {
  readonly atMs: number;
}

/** Context of a call, beside its request: deadline, cancellation, caller and routing hints. */
export interface CallContext {
  /** Given by the caller or made by us; printable ASCII, at most 128 characters. */
  readonly requestId: string;
  readonly deadline: Deadline;
  /** Aborts with a `ScoringError` as its reason when the caller cancels or the deadline passes. */
  readonly signal: CallSignal;
  /** The caller, if keys are required. */
  readonly caller?: Caller | undefined;
  /**
   * Groups calls for fair sharing: those of a key, or, without keys, of a network.
   * Calls without it count as one caller's.
   */
  readonly fairnessKey?: string;
  readonly hints: RoutingHints;
  /** Whether the call bypasses the response cache: `cache-control: no-store`. */
  readonly noStore?: boolean | undefined;
  readonly times: StageTimes;
  /** Present if the caller, or the gateway that forwarded the call, reads it. */
  readonly routingTrace?: RoutingTrace | undefined;
  /** The bytes that the request brought. */
  readonly requestBytes?: RequestBytes | undefined;
  /** Observes its attempts. */
  readonly observer?: CallObserver | undefined;
  /** Trace of the attempt that is being made, as W3C writes it; sent to the replica. */
  readonly traceparent?: string | undefined;
}

/** What happens to the bytes of a request, which its tensors view. */
export interface RequestBytes {
  /**
   * Whether something may read them after the call has been answered, such as an upload to a replica that was overtaken
   * by another: their memory must not be used for other requests then.
   */
  mayBeRead: boolean;
}

/** What the router reports beside the answer; the pictures of one call add up. */
export interface RoutingTrace {
  /** Whether the caller requested the steps. */
  readonly isTraced: boolean;
  steps: readonly RoutingStep[];
  /** How long the next call would wait, in milliseconds. */
  expectedWaitMs?: number;
}

/** How much a request matters when there is more to do than can be done, most first. */
export const priorities = ["critical", "normal", "batch"] as const;

export type Priority = (typeof priorities)[number];

/** What a caller asks of the router, and what limits it. */
export interface RoutingHints {
  /** Preferred region. */
  readonly region?: string;
  /** Regions that may serve the call, whatever fails. */
  readonly residency?: readonly string[];
  /** Order in a queue; `normal` by default. */
  readonly priority?: Priority;
  /** What keeps the calls of a session at one version during a rollout, where that is configured. */
  readonly session?: string;
  /** Whether another gateway sent the call here: it is not sent to a third. */
  readonly isForwarded?: boolean;
}

/** A caller with an API key. */
export interface Caller {
  /** Name of the key, which may be logged. */
  readonly id: string;
  mayUse(modelName: string): boolean;
  /** @throws ForbiddenError if the key is not for this model */
  assertMayUse(modelName: string): void;
  /** Whether a routing trace may include the addresses of replicas. */
  readonly maySeeAddresses?: boolean;
  /** Regions that its calls may be served in, whatever a call says; everywhere without it. */
  readonly residency?: readonly string[];
}

/** Stages that `Server-Timing` names, in the order of a request. */
export const stages = [
  "admit",
  "read",
  "decode",
  "preprocess",
  "cache",
  "queue",
  "upstream",
  "post",
] as const;

export type Stage = (typeof stages)[number];

/** Where an answer came from: the cache, a replica, or another call that asked for the same at the same time. */
export type CacheOutcome = "hit" | "miss" | "coalesced";

/** What one stage of a call took so far. */
export interface StageTime {
  readonly stage: Stage;
  readonly durationMs: number;
  /** Where the answers came from: of several pictures of one call, that of the one that cost most. */
  readonly outcome?: CacheOutcome;
}

/** How long each stage of one call took so far. */
export interface StageTimes {
  /** Adds to what `stage` has taken, in milliseconds; several pictures of one call add up. */
  add(stage: Stage, durationMs: number, outcome?: CacheOutcome): void;
  /** Stages that took part, in the order of a request. */
  readonly entries: readonly StageTime[];
}

/** Stage times of a call for which they are not read, such as a probe. */
export const noStageTimes: StageTimes = { add: () => {}, entries: [] };

/** Protocols that a call can come by. */
export type Protocol =
  | "rest"
  | "tensorflow-serving-rest"
  | "open-inference-rest"
  | "connect"
  | "grpc"
  | "grpc-web";

/** What is known of a call when it begins. */
export interface ObservedStart {
  readonly protocol: Protocol;
  /** Operation, without the parts that vary: `POST /v1/classify/{model}`. */
  readonly operation: string;
  readonly requestId: string;
  /** The caller's trace, as W3C writes it. */
  readonly traceparent: string | undefined;
}

/** What is known of a call when it has ended. */
export interface ObservedEnd {
  /** Absent if it was answered. */
  readonly error?: ScoringError | undefined;
  /** Name that the caller gave; anything may be in it. */
  readonly askedModel: string | undefined;
  readonly model?: AnsweringModel | undefined;
  readonly region?: string | undefined;
  /** Name of the key that was used. */
  readonly caller?: string | undefined;
  readonly durationMs: number;
  readonly times?: StageTimes | undefined;
  readonly receivedBytes: number;
}

/** Where an attempt goes. */
export interface AttemptTarget {
  readonly model: string;
  readonly region: string;
  readonly replicaId: string;
}

/** Observes one attempt of a call. */
export interface AttemptObserver {
  /** Trace context for the replica; absent if the call is not traced. */
  readonly traceparent?: string;
  /** @param error - absent if it was answered */
  end(durationMs: number, error?: ScoringError): void;
}

/** Observes one call, from its headers to its reply. */
export interface CallObserver {
  /** Name of the model in the configuration, once the call has resolved it. */
  modelName?: string | undefined;
  attempt(target: AttemptTarget): AttemptObserver;
  /** Called for each answer of a model whose answers are cached. */
  cached?(model: string, outcome: CacheOutcome): void;
  end(end: ObservedEnd): void;
}

/** Begins to observe a call; `end` must follow. */
export type ObserveCall = (start: ObservedStart) => CallObserver;

/** How often something was done since the gateway started, and how long it took in total. */
export interface Duration {
  readonly count: number;
  readonly ms: number;
}

/** What has become of the calls of a model, whatever protocol they came by. */
export interface ModelCounts {
  readonly success: Duration;
  readonly fail: Duration;
  /** Waiting for a replica. */
  readonly queue: Duration;
  /** Pictures to tensors. */
  readonly computeInput: Duration;
  /** The replica and the way to it. */
  readonly computeInfer: Duration;
  /** Outputs to results. */
  readonly computeOutput: Duration;
  readonly cacheHit: Duration;
  readonly cacheMiss: Duration;
}

/** The calls of each model, counted as long as the gateway runs. */
export interface ModelStatistics {
  of(modelName: string): ModelCounts;
}

/**
 * Returns the regions that all of several allow-lists have in common.
 *
 * @param lists - undefined for one that allows everything
 * @returns undefined where all regions are allowed; empty where none is
 */
export function commonRegions(
  ...lists: readonly (readonly string[] | undefined)[]
): readonly string[] | undefined {
  let common: readonly string[] | undefined;
  for (const list of lists) {
    common = common && list ? common.filter((region) => list.includes(region)) : (common ?? list);
  }
  return common;
}

/** Returns the call restricted to these regions; the same call if they are undefined. */
export function withinRegions(
  call: CallContext,
  regions: readonly string[] | undefined,
): CallContext {
  const residency = regions && commonRegions(call.hints.residency, regions);
  return residency ? { ...call, hints: { ...call.hints, residency } } : call;
}
