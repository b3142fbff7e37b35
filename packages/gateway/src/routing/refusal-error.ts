import {
  counted,
  DeadlineExceededError,
  ForbiddenError,
  ModelNotReadyError,
  NoReplicaError,
  OverloadedError,
  type ScoringError,
  UnknownVersionError,
  UpstreamFailedError,
} from "@tensorgate/core";
import type { Refusal } from "./scheduler/events.ts";
import type { PoolReport } from "./scheduler/status.ts";

export interface RefusalFacts {
  readonly model: string;
  readonly retryAfterMs?: number;
  /** The version that was asked for. */
  readonly version?: bigint;
  /** Versions that there are where the call may be served, highest first. */
  readonly versions?: () => readonly bigint[];
  /** What the last probes of replicas found that are out. */
  readonly findings?: () => readonly string[];
  /** What the last attempt failed with. */
  readonly lastError?: ScoringError | undefined;
  /** Where it is served by devices that hold one model at a time. */
  readonly devices?: DeviceFacts | undefined;
}

/** The devices that could hold a model. */
export interface DeviceFacts {
  /** What callers know them by. */
  readonly aliases: readonly string[];
  /** Whether one of them is kept from calls, so that it is not lost. */
  readonly isAnyOut: boolean;
  /** Where one is being swapped to the model: since when, and what it usually takes, in milliseconds. */
  readonly swap?: { readonly elapsedMs: number; readonly usualMs?: number };
}

/** What a caller is told whose request ended without an answer. */
export function refusalError(because: Refusal, facts: RefusalFacts): ScoringError {
  const { model, lastError, devices } = facts;
  const retry = facts.retryAfterMs === undefined ? {} : { retryAfterMs: facts.retryAfterMs };
  switch (because) {
    case "attempt-failed":
      if (devices && lastError instanceof ModelNotReadyError) return onNoDevice(facts, devices);
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
        hint: probedHint(facts) ?? "flashing an FPGA takes minutes; see /readyz",
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

function unknownVersion({
  model,
  version,
  versions = () => [],
}: RefusalFacts): UnknownVersionError {
  const all = versions();
  const which = version === undefined ? "such version" : `version ${version}`;
  return new UnknownVersionError(`model "${model}" has no ${which}`, {
    hint:
      all.length === 0
        ? "its replicas have no known versions; omit the version"
        : `its ${all.length === 1 ? "version" : "versions"}: ${all.join(", ")}`,
  });
}

/** @returns undefined where no probe told anything */
function probedHint({ findings = () => [] }: RefusalFacts): string | undefined {
  const all = findings();
  return all.length === 0 ? undefined : `last probe: ${all.join(", ")}; see the gateway's log`;
}

/** After which a caller may come again whose model no device holds, in milliseconds: somebody has to do something. */
const idleRetryMs = 10_000;
/** The same while a device is swapped to it, where nobody knows for how long, or longer than usual. */
const swapRetryMs = 1_000;
/** Names of devices that are told; of more, how many they are. */
const maxNamed = 8;

function onNoDevice({ model }: RefusalFacts, { aliases, swap }: DeviceFacts): ModelNotReadyError {
  const count = counted(aliases.length, "device");
  const which = aliases.length <= maxNamed ? `${count} (${aliases.join(", ")})` : count;
  const leftMs = (swap?.usualMs ?? 0) - (swap?.elapsedMs ?? 0);
  return new ModelNotReadyError(`no device holds model "${model}"`, {
    hint: `${which} could hold it; ${swap ? underWay(swap) : "an operator can swap one with tensorgate device swap"}`,
    retryAfterMs: swap ? Math.max(swapRetryMs, Math.ceil(leftMs)) : idleRetryMs,
  });
}

function underWay({ elapsedMs, usualMs }: NonNullable<DeviceFacts["swap"]>): string {
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

/** Most different findings that are listed. */
const maxFindings = 4;

/**
 * What the last probes found of replicas that are out, without addresses, the most frequent first:
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
