import type { VersionDevices } from "./device-swaps.ts";
import type { ServingDevices } from "./machine/devices.ts";
import type { RolloutPlan } from "./machine/plan.ts";
import type { RolloutState } from "./machine/state.ts";
import { planFrom, RolloutRefusedError, type RolloutRequest } from "./rollout-request.ts";
import type { VersionChecks } from "./version-checks.ts";

export interface RolloutPlansDeps {
  readonly checks: Pick<VersionChecks, "versionsOf" | "assertVersions" | "assertLoaded">;
  readonly devices: Pick<VersionDevices, "areDevices">;
  readonly servingVersions: (model: string) => ServingDevices;
  readonly isIdempotent: (model: string) => boolean;
}

/** Completes and checks requests to roll a version out. */
export interface RolloutPlans {
  /** @throws RolloutRefusedError */
  planOf(model: string, request: RolloutRequest, state: RolloutState | undefined): RolloutPlan;
}

export function createRolloutPlans(deps: RolloutPlansDeps): RolloutPlans {
  const { checks, devices, servingVersions, isIdempotent } = deps;

  function planOnReplicas(
    model: string,
    request: RolloutRequest,
    stable: string | undefined,
  ): RolloutPlan {
    const { to } = request;
    const versions = checks.assertVersions(model, [to]);
    const from = request.from ?? stable ?? versions.find((each) => each !== to);
    if (from === undefined) throw invalid(`version ${to} is the only one of ${model}`);
    checks.assertVersions(model, [from]);
    checks.assertLoaded(model, to);
    return planFrom(request, from, undefined);
  }

  /** No device needs to have the new version: they get it one after the other. */
  function planOnDevices(
    model: string,
    request: RolloutRequest,
    stable: string | undefined,
  ): RolloutPlan {
    checks.versionsOf(model);
    const { to } = request;
    const serving = servingVersions(model);
    const [most] = [...serving].toSorted(([, a], [, b]) => b - a);
    const from = request.from ?? stable ?? most?.[0];
    if (from === undefined) throw invalid(`no device serves ${model}`);
    const held = serving.get(from) ?? 0;
    if (held === 0) {
      const found = [...serving].map(([version, count]) => `${count} of version ${version}`);
      throw new RolloutRefusedError(
        "unknown",
        `no device serves version ${from} of ${model}; serving: ${found.join(", ") || "none"}`,
      );
    }
    return planFrom(request, from, held + (serving.get(to) ?? 0));
  }

  return {
    planOf: (model, request, state) => {
      const kind = devices.areDevices(model);
      if (kind === "some") {
        throw invalid(
          `${model} has pools with and without exclusive: true; roll it out by a new model`,
        );
      }
      const plan = (kind === "all" ? planOnDevices : planOnReplicas)(model, request, state?.stable);
      const compares = plan.abortIf.find(({ metric }) => metric !== "failures");
      if (compares && plan.shadowShare === 0) {
        throw invalid(`${compares.metric} needs a share of shadowed calls`);
      }
      if (compares && !isIdempotent(model)) {
        throw invalid(`${compares.metric} needs shadowed calls, but ${model} is not idempotent`);
      }
      return plan;
    },
  };
}

const invalid = (message: string) => new RolloutRefusedError("invalid", message);
