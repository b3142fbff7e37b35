import {
  type CallContext,
  cutText,
  type ModelStatus,
  UpstreamAnsweredError,
  type VersionState,
} from "@tensorgate/core";
import { grpcCode } from "@tensorgate/grpc";
import type { Device } from "./device.ts";

/** How far a model is on one device, as the device tells. */
export type ModelPhase =
  /** It is not there, or was once. */
  | { readonly phase: "absent" }
  /** The last load of it failed. */
  | { readonly phase: "failed"; readonly because: string }
  | { readonly phase: "programming" }
  | { readonly phase: "warming" }
  | { readonly phase: "ready" }
  /** It finishes what it has. */
  | { readonly phase: "leaving" };

/** What a device is doing. */
export type DeviceState =
  | "unprogrammed"
  | "programming"
  | "warming"
  | "ready"
  | "draining"
  | "unreachable";

export interface HeldModel {
  readonly state: DeviceState;
  /** The model that it holds, takes or gives up. */
  readonly model?: string;
}

/** Asks a device how far a model is there. @throws ScoringError if it does not answer */
export async function askPhase(
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

/** Longest reason of a failure that is kept, in characters. */
const maxReasonChars = 1_024;

/** Of several versions the one that is the furthest counts; those that ended are remembered by servers for long. */
export function phaseOf({ versions }: ModelStatus): ModelPhase {
  const has = (state: VersionState) => versions.some((each) => each.state === state);
  if (has("available")) return { phase: "ready" };
  if (has("loading")) return { phase: "warming" };
  if (has("starting")) return { phase: "programming" };
  if (has("unloading")) return { phase: "leaving" };
  const failed = versions.find(({ state, errorCode }) => state === "ended" && errorCode !== 0);
  if (!failed) return { phase: "absent" };
  const because = cutText(failed.errorMessage || "loading ended with an error", maxReasonChars);
  return { phase: "failed", because };
}

/** How much a phase says of the device, least last. */
const telling = ["ready", "warming", "programming", "leaving"] as const;

const stateWhile = {
  ready: "ready",
  warming: "warming",
  programming: "programming",
  leaving: "draining",
} as const satisfies Record<(typeof telling)[number], DeviceState>;

/**
 * What a device holds, by what it says of every model that it could hold.
 *
 * @param phases - by model; `undefined` where it did not answer
 */
export function heldModel(phases: ReadonlyMap<string, ModelPhase | undefined>): HeldModel {
  for (const phase of telling) {
    for (const [model, told] of phases) {
      if (told?.phase === phase) return { state: stateWhile[phase], model };
    }
  }
  const isSilent = [...phases.values()].some((told) => told === undefined);
  return { state: isSilent ? "unreachable" : "unprogrammed" };
}
