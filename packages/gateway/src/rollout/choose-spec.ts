import type { CallContext, ModelSpec } from "@tensorgate/core";
import { chosenVersion, stickyPosition } from "./machine/choose-version.ts";
import type { ServingDevices } from "./machine/devices.ts";
import { weightsOf } from "./machine/machine.ts";
import type { RolloutState } from "./machine/state.ts";

export interface ChooseSpecDeps {
  readonly stateOf: (model: string) => RolloutState | undefined;
  /** Counts the devices of a model in rotation by version, in all regions or in some. */
  readonly servingVersions: (model: string, residency?: readonly string[]) => ServingDevices;
  readonly random: () => number;
}

/** Chooses the version of calls that name none. */
export interface ChooseSpec {
  /** Returns the model spec with the version that this call gets. */
  chosen(modelSpec: ModelSpec, call: CallContext): ModelSpec;
  /** Replaces the labels `stable` and `canary` by the versions that a rollout gives them. */
  labelled(modelSpec: ModelSpec): ModelSpec;
  /** Whether a version can be shadowed: on devices some have to hold it. */
  isHeld(model: string, version: string): boolean;
}

export function createChooseSpec({ stateOf, servingVersions, random }: ChooseSpecDeps): ChooseSpec {
  function weightsFor(
    model: string,
    state: RolloutState,
    residency?: readonly string[],
  ): ReadonlyMap<string, number> | undefined {
    if (!state.devices) return weightsOf(state);
    return weightsOf(state, servingVersions(model, residency), residency !== undefined);
  }

  function withLabel(modelSpec: ModelSpec, residency?: readonly string[]): ModelSpec {
    const { name, versionLabel, ...rest } = modelSpec;
    const state = stateOf(name);
    if (!state || versionLabel === undefined) return modelSpec;
    const { stable, canary } = labelsOf(state, weightsFor(name, state, residency));
    const named = { stable, canary }[versionLabel];
    return named === undefined ? modelSpec : { ...rest, name, version: BigInt(named) };
  }

  return {
    labelled: (modelSpec) => withLabel(modelSpec),
    isHeld: (model, version) =>
      !stateOf(model)?.devices || (servingVersions(model).get(version) ?? 0) > 0,
    chosen: (modelSpec, call) => {
      const { name, version, versionLabel, ...rest } = modelSpec;
      const state = stateOf(name);
      if (!state || version !== undefined) return modelSpec;
      const { residency } = call.hints;
      const weights = weightsFor(name, state, residency);
      if (!weights) return modelSpec;
      if (versionLabel !== undefined) return withLabel(modelSpec, residency);
      const key = stickyKey(state.running?.plan.sticky ?? "none", call);
      const position = key === undefined ? random() : stickyPosition(name, key);
      return { ...rest, name, version: BigInt(chosenVersion(weights, position)) };
    },
  };
}

/** Returns the versions that the labels name: a version that may not get calls yet has none. */
function labelsOf(
  { running, stable, leaving }: RolloutState,
  weights: ReadonlyMap<string, number> | undefined,
): Readonly<Record<string, string | undefined>> {
  const isGiven = (version: string) => (weights?.get(version) ?? 0) > 0;
  if (running) {
    const { from, to } = running.plan;
    return { stable: from, canary: isGiven(to) ? to : from };
  }
  const current = stable !== undefined && leaving && !isGiven(stable) ? leaving.version : stable;
  return { stable: current, canary: current };
}

/** @returns undefined if nothing keeps the caller at a version */
function stickyKey(sticky: "key" | "session" | "none", call: CallContext): string | undefined {
  switch (sticky) {
    case "key":
      return call.caller?.id ?? call.fairnessKey;
    case "session":
      return call.hints.session ?? call.fairnessKey;
    case "none":
      return undefined;
  }
}
