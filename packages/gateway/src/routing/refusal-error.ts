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
      return new DeadlineExceededError("the deadline would pass before a replica could answer", {
        hint: "give it a longer deadline, or come again when less is waiting",
      });
    case "residency":
      return new ForbiddenError(
        // Names no region: the caller's key may be kept from those.
        `residency allows none of the regions of model "${model}"`,
        {
          field: "x-tensorgate-residency",
          hint: "GET /v1/catalog lists the regions of each model that the key allows",
        },
      );
    case "unknown-version":
      return unknownVersion(facts);
    case "model-not-ready":
      if (devices) return onNoDevice(facts, devices);
      return new ModelNotReadyError(`model "${model}" is loaded at no replica yet`, {
        ...retry,
        hint: probedHint(facts) ?? "an FPGA takes minutes; /readyz says more",
      });
    case "no-replica":
      if (devices?.isAnyOut) return onNoDevice(facts, devices);
      return new NoReplicaError(`no replica of model "${model}" can take a call now`, {
        ...retry,
        hint: probedHint(facts) ?? "its replicas are out of reach; the gateway's log says more",
      });
    case "overloaded":
      return new OverloadedError(`more calls of model "${model}" wait than can be answered`, {
        ...retry,
        ...(lastError && { cause: lastError }),
        hint: "come again after the time that is told; a call of a higher priority waits less",
      });
    case "kills-replicas":
      return new UpstreamFailedError("two replicas lost their connection over this request", {
        cause: lastError,
        hint: "it is not tried at a third one; send something else",
      });
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
        ? "its replicas know no versions: ask without one"
        : `it has ${all.length === 1 ? "version" : "versions"} ${all.join(", ")}`,
  });
}

/** @returns undefined where no probe told anything */
function probedHint({ findings = () => [] }: RefusalFacts): string | undefined {
  const all = findings();
  return all.length === 0
    ? undefined
    : `the last probe found: ${all.join(", ")}; the gateway's log says more`;
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
  return new ModelNotReadyError(`no device holds model "${model}" now`, {
    hint: `${which} could hold it; ${swap ? underWay(swap) : "whoever runs the gateway can swap one to it"}`,
    retryAfterMs: swap ? Math.max(swapRetryMs, Math.ceil(leftMs)) : idleRetryMs,
  });
}

function underWay({ elapsedMs, usualMs }: NonNullable<DeviceFacts["swap"]>): string {
  const since = `one is being swapped to it since ${seconds(elapsedMs)}`;
  if (usualMs === undefined) return since;
  const left = usualMs - elapsedMs;
  return left > 0 ? `${since}, ready in about ${seconds(left)}` : `${since}, longer than usual`;
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
