import {
  type CallContext,
  counted,
  DeadlineExceededError,
  ForbiddenError,
  ModelNotReadyError,
  NoReplicaError,
  OverloadedError,
  type ResolvedRequest,
  type ScoringError,
  UnknownVersionError,
  UpstreamAnsweredError,
  UpstreamFailedError,
} from "@tensorgate/core";
import { isUnknownLabel } from "./attempt-failure.ts";
import type { Reject, Rejection } from "./scheduler/events.ts";
import type { Scheduler } from "./scheduler/scheduler.ts";
import type { PoolReport } from "./scheduler/status.ts";

export interface RejectionInfo {
  readonly model: string;
  readonly retryAfterMs?: number;
  /** The version that the call names. */
  readonly version?: bigint;
  /** The version label that the call names. */
  readonly versionLabel?: string | undefined;
  /** Lists the versions in the regions of the call, highest first. */
  readonly versions?: () => readonly bigint[];
  /** Lists what the last probes of replicas that are not ready found. */
  readonly findings?: () => readonly string[];
  /** Error of the last attempt. */
  readonly lastError?: ScoringError | undefined;
  /** Whether the call, in our own API, is for whatever version there is. */
  readonly isForAnyVersion?: boolean;
  /** Present if devices serve the model, which hold one at a time. */
  readonly devices?: DeviceInfo | undefined;
}

/** The devices that could hold a model. */
export interface DeviceInfo {
  /** Names by which callers know them. */
  readonly aliases: readonly string[];
  /** Whether one of them was taken out of rotation on purpose, rather than lost. */
  readonly isAnyOut: boolean;
  /** Present if one is being swapped to the model: since when, and how long that usually takes, in milliseconds. */
  readonly swap?: { readonly elapsedMs: number; readonly usualMs?: number };
}

/** A call that the scheduler rejected, and where more can be learned about it. */
export interface RejectedCall {
  readonly request: ResolvedRequest;
  readonly call: CallContext;
  /** Error of the last attempt. */
  readonly lastError: ScoringError | undefined;
  readonly devices: DeviceInfo | undefined;
  readonly scheduler: Pick<Scheduler, "status" | "versionsFor">;
  readonly nowMs: number;
}

/** Returns the error of a call that the scheduler rejected. */
export function errorOfRejected(
  { because, retryAfterMs }: Reject,
  { request, call, lastError, devices, scheduler, nowMs }: RejectedCall,
): ScoringError {
  const { modelSpec, hasWireNames = false } = request;
  const { name: model, version, versionLabel } = modelSpec;
  const { residency, isForwarded } = call.hints;
  return rejectionError(because, {
    model,
    devices,
    lastError,
    ...(version !== undefined && { version }),
    versionLabel,
    isForAnyVersion: !hasWireNames && version === undefined && versionLabel === undefined,
    versions: () => scheduler.versionsFor({ model, residency, isForwarded }),
    findings: () => probeFindings(scheduler.status(nowMs).pools, { model, residency }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });
}

/** Returns the error for one of the reasons of the scheduler. */
export function rejectionError(because: Rejection, facts: RejectionInfo): ScoringError {
  const { model, lastError, devices } = facts;
  const retry = facts.retryAfterMs === undefined ? {} : { retryAfterMs: facts.retryAfterMs };
  switch (because) {
    case "attempt-failed":
      if (devices && lastError instanceof ModelNotReadyError) return onNoDevice(facts, devices);
      if (isUnknownLabel(lastError)) return unknownLabel(facts, lastError);
      if (facts.isForAnyVersion && isServableMissing(lastError)) return unloaded(facts, lastError);
      return lastError ?? new NoReplicaError(`no replica of model "${model}" answered`, retry);
    case "deadline":
      return new DeadlineExceededError("the deadline would expire before a replica could answer", {
        hint: "set a longer deadline, or retry when fewer calls wait",
      });
    case "residency":
      return new ForbiddenError(
        // Names no region: the caller's key may be kept from those.
        `residency excludes every region of model "${model}"`,
        {
          field: "x-tensorgate-residency",
          hint: "see /v1/catalog for the regions of each model that the key allows",
        },
      );
    case "unknown-version":
      return unknownVersion(facts);
    case "model-not-ready":
      if (devices) return onNoDevice(facts, devices);
      return new ModelNotReadyError(`model "${model}" is not loaded on any replica yet`, {
        ...retry,
        hint: probedHint(facts) ?? "its replicas are loading it; see /readyz",
      });
    case "no-replica":
      if (devices?.isAnyOut) return onNoDevice(facts, devices);
      return new NoReplicaError(`no replica of model "${model}" is available`, {
        ...retry,
        hint: probedHint(facts) ?? "its replicas are unreachable; see the gateway's log",
      });
    case "overloaded":
      return new OverloadedError(`overloaded: too many calls of model "${model}" are waiting`, {
        ...retry,
        ...(lastError && { cause: lastError }),
        hint: "retry after the given time; calls of a higher priority wait less",
      });
    case "kills-replicas":
      return new UpstreamFailedError(
        "two replicas lost their connection while processing this request",
        {
          cause: lastError,
          hint: "the request is not retried; it may crash the model server",
        },
      );
  }
}

/** Whether an error is TensorFlow Serving's answer for a model that it has not loaded. */
function isServableMissing(error: ScoringError | undefined): error is UpstreamAnsweredError {
  return error instanceof UpstreamAnsweredError && /^Servable not found/.test(error.message);
}

/** The model is configured: no replica has it at the moment, whatever the caller does. */
function unloaded(
  { model, retryAfterMs }: RejectionInfo,
  cause: UpstreamAnsweredError,
): ModelNotReadyError {
  return new ModelNotReadyError(`model "${model}" is not loaded on any replica`, {
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    hint: `a replica answered: ${cause.message}`,
    cause,
  });
}

/**
 * No replica that was asked knows the label. A model server of ours lists those that it has.
 *
 * @returns the error of the replica, if the call names no label
 */
export function unknownLabel(
  { model, versionLabel }: Pick<RejectionInfo, "model" | "versionLabel">,
  cause: UpstreamAnsweredError,
): ScoringError {
  if (versionLabel === undefined) return cause;
  return new UnknownVersionError(`model "${model}" has no version label "${versionLabel}"`, {
    hint:
      cause.hint ??
      "its replicas list no labels; the configuration or the registry of its model servers has them",
    cause,
  });
}

function unknownVersion({
  model,
  version,
  versions = () => [],
}: RejectionInfo): UnknownVersionError {
  const all = versions();
  const which = version === undefined ? "such version" : `version ${version}`;
  return new UnknownVersionError(`model "${model}" has no ${which}`, {
    hint:
      all.length === 0
        ? "its replicas have no known versions; omit the version"
        : `its ${all.length === 1 ? "version" : "versions"}: ${all.join(", ")}`,
  });
}

/** @returns undefined if no probe found anything */
function probedHint({ findings = () => [] }: RejectionInfo): string | undefined {
  const all = findings();
  return all.length === 0 ? undefined : `last probe: ${all.join(", ")}; see the gateway's log`;
}

/** Time after which to retry a model that no device holds, in milliseconds: an operator has to swap one. */
const idleRetryMs = 10_000;
/** The same while a device is being swapped to it, if the rest of the time is unknown, or it takes longer than usual. */
const swapRetryMs = 1_000;
/** Maximum devices that are named; of more only the count is given. */
const maxNamed = 8;

function onNoDevice({ model }: RejectionInfo, { aliases, swap }: DeviceInfo): ModelNotReadyError {
  const count = counted(aliases.length, "device");
  const which = aliases.length <= maxNamed ? `${count} (${aliases.join(", ")})` : count;
  const leftMs = (swap?.usualMs ?? 0) - (swap?.elapsedMs ?? 0);
  return new ModelNotReadyError(`no device holds model "${model}"`, {
    hint: `${which} could hold it; ${swap ? swapProgress(swap) : "an operator can swap one with tensorgate device swap"}`,
    retryAfterMs: swap ? Math.max(swapRetryMs, Math.ceil(leftMs)) : idleRetryMs,
  });
}

function swapProgress({ elapsedMs, usualMs }: NonNullable<DeviceInfo["swap"]>): string {
  const since = `a swap started ${seconds(elapsedMs)} ago`;
  if (usualMs === undefined) return since;
  const left = usualMs - elapsedMs;
  return left > 0
    ? `${since}, ready in about ${seconds(left)}`
    : `${since} and takes longer than usual`;
}

function seconds(durationMs: number): string {
  return `${Math.ceil(durationMs / 1_000)} s`;
}

/** Maximum findings that are listed. */
const maxFindings = 4;

/**
 * Lists what the last probes of replicas that are not ready found, without addresses, the most frequent first:
 * `connection refused (2 replicas)`.
 */
export function probeFindings(
  pools: readonly PoolReport[],
  {
    model,
    residency,
  }: { readonly model?: string; readonly residency?: readonly string[] | undefined },
): readonly string[] {
  const notes = pools
    .filter((pool) => model === undefined || pool.model === model)
    .filter(({ region }) => !residency || residency.includes(region))
    .flatMap(({ replicas }) => replicas)
    .flatMap(({ state, probeNote }) =>
      state === "ready" || !probeNote ? [] : [probeNote.message],
    );
  return [...Map.groupBy(notes, (message) => message)]
    .map(([message, { length }]) => ({ message, length }))
    .toSorted((a, b) => b.length - a.length)
    .slice(0, maxFindings)
    .map(({ message, length }) => `${message} (${counted(length, "replica")})`);
}
