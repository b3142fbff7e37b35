import {
  type CallContext,
  cutText,
  type ModelStatus,
  UpstreamAnsweredError,
  type VersionState,
} from "@tensorgate/core";
import { grpcCode } from "@tensorgate/grpc";
import type { Device, DeviceState, HeldModel } from "./device.ts";

/** State of a model on one device, as the device reports it. */
export type ModelPhase =
  /** It is not there, or not any more. */
  | { readonly phase: "absent" }
  /** The last load of it failed. */
  | { readonly phase: "failed"; readonly because: string }
  | { readonly phase: "programming" }
  | { readonly phase: "warming" }
  | { readonly phase: "ready"; readonly versions: readonly bigint[] }
  /** It finishes its calls. */
  | { readonly phase: "unloading" };

/** Gets the phase of a model on a device. @throws ScoringError if the device does not answer */
export async function queryPhase(
  device: Device,
  model: string,
  call: CallContext,
): Promise<ModelPhase> {
  try {
    return phaseOf(await device.modelStatus({ name: model }, call));
  } catch (thrown) {
    const isAbsent =
      thrown instanceof UpstreamAnsweredError && thrown.grpcCode === grpcCode.NOT_FOUND;
    if (isAbsent) return { phase: "absent" };
    throw thrown;
  }
}

/** Longest reason of a failure, in characters. */
const maxReasonChars = 1_024;

/** Returns the phase of the version that has got furthest; servers list versions that have ended for a long time. */
export function phaseOf({ versions }: ModelStatus): ModelPhase {
  const has = (state: VersionState) => versions.some((each) => each.state === state);
  const available = versions.filter(({ state }) => state === "available");
  if (available.length > 0) {
    return { phase: "ready", versions: available.map(({ version }) => version) };
  }
  if (has("loading")) return { phase: "warming" };
  if (has("starting")) return { phase: "programming" };
  if (has("unloading")) return { phase: "unloading" };
  const failed = versions.find(({ state, errorCode }) => state === "ended" && errorCode !== 0);
  if (!failed) return { phase: "absent" };
  const because = cutText(failed.errorMessage || "loading ended with an error", maxReasonChars);
  return { phase: "failed", because };
}

/** Phases that decide the state of a device, the first one found before the others. */
const decisive = ["ready", "warming", "programming", "unloading"] as const;

const stateWhile = {
  ready: "ready",
  warming: "warming",
  programming: "programming",
  unloading: "draining",
} as const satisfies Record<(typeof decisive)[number], DeviceState>;

/**
 * Returns which model a device holds, by the phases of all models that it may hold.
 *
 * @param phases - by model; `undefined` if the device did not answer
 */
export function heldModel(phases: ReadonlyMap<string, ModelPhase | undefined>): HeldModel {
  for (const phase of decisive) {
    for (const [model, reported] of phases) {
      if (reported?.phase !== phase) continue;
      const version = reported.phase === "ready" ? highestOf(reported.versions) : undefined;
      return { state: stateWhile[phase], model, ...(version !== undefined && { version }) };
    }
  }
  const isUnreachable = [...phases.values()].includes(undefined);
  return { state: isUnreachable ? "unreachable" : "unprogrammed" };
}

function highestOf(versions: readonly bigint[]): string | undefined {
  const [highest] = versions.toSorted((a, b) => (a > b ? -1 : 1));
  return highest === undefined ? undefined : String(highest);
}
