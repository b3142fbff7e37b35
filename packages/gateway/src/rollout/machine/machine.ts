import { deviceWeights, type ServingDevices } from "./devices.ts";
import { type AbortCondition, assertPlan, conditionText, type RolloutPlan } from "./plan.ts";
import {
  type ComparisonCounts,
  type LeavingVersion,
  noComparisons,
  noCounts,
  type RolloutState,
  type RunningRollout,
} from "./state.ts";

export type RolloutEvent =
  | { readonly type: "start"; readonly plan: RolloutPlan }
  | { readonly type: "time"; readonly elapsedMs: number }
  | { readonly type: "call"; readonly version: string; readonly hasFailed: boolean }
  | { readonly type: "compared"; readonly sums: ComparisonCounts }
  | { readonly type: "promote" }
  | { readonly type: "abort"; readonly because: string }
  | { readonly type: "undo" }
  /** A device serves a version. */
  | { readonly type: "swapped"; readonly device: string; readonly version: string }
  /** A device could not be made to serve the new version. */
  | { readonly type: "swap-failed"; readonly because: string }
  /** No device holds the version that was left. */
  | { readonly type: "settled" };

/** News and stable versions that are kept. */
const maxHistory = 50;

/**
 * Returns the state after an event. Pure: events in, weights out (`weightsOf`).
 *
 * @throws RangeError for a command that makes no sense now; then nothing has changed
 */
export function afterEvent(state: RolloutState, event: RolloutEvent): RolloutState {
  switch (event.type) {
    case "start":
      return started(state, event.plan);
    case "time":
      return state.running ? advanced(state, state.running, event.elapsedMs) : state;
    case "call":
      return state.running ? counted(state, state.running, event) : state;
    case "compared": {
      const { running } = state;
      if (!running) return state;
      const comparisons = added(running.comparisons, event.sums);
      return checked({ ...state, running: { ...running, comparisons } });
    }
    case "promote":
      return promoted(state, runningOf(state), "promoted");
    case "abort":
      return aborted(state, runningOf(state), event.because);
    case "undo":
      return undone(state);
    case "swapped":
      return told(state, `${event.device} serves version ${event.version}`);
    case "swap-failed":
      return state.running ? aborted(state, state.running, event.because) : state;
    case "settled": {
      const { leaving, ...settled } = state;
      return leaving ? told(settled, `no device holds version ${leaving.version}`) : state;
    }
  }
}

/**
 * Returns the share of the calls that each version gets; 0..1, together 1.
 *
 * @param serving - the devices in rotation, if the replicas are devices that hold one version at a time
 * @param isPart - whether these are only a part of them, because the call may not leave some regions
 * @returns undefined if the latest version gets them all
 */
export function weightsOf(
  state: RolloutState,
  serving?: ServingDevices,
  isPart = false,
): ReadonlyMap<string, number> | undefined {
  const { stable, running } = state;
  if (state.devices && serving) return deviceWeights(state, serving, isPart);
  if (running) {
    const { from, to, steps } = running.plan;
    const share = (steps[running.step] ?? 0) / 100;
    return new Map([
      [to, share],
      [from, 1 - share],
    ]);
  }
  return stable === undefined ? undefined : new Map([[stable, 1]]);
}

function runningOf({ running }: RolloutState): RunningRollout {
  if (running) return running;
  throw new RangeError("no rollout is under way");
}

function started(state: RolloutState, plan: RolloutPlan): RolloutState {
  if (state.running) {
    throw new RangeError(
      `a rollout to version ${state.running.plan.to} is under way; promote or abort it first`,
    );
  }
  if (state.leaving) {
    throw new RangeError(
      `devices that hold version ${state.leaving.version} are still being swapped; wait for them`,
    );
  }
  assertPlan(plan);
  const running = { plan, step: 0, stepMs: 0, to: noCounts, comparisons: noComparisons };
  const { devices: _before, ...rest } = state;
  return told(
    { ...rest, stable: plan.from, running, ...(plan.devices && { devices: plan.devices }) },
    `version ${plan.to} gets ${plan.steps[0]} %`,
  );
}

function advanced(state: RolloutState, running: RunningRollout, elapsedMs: number): RolloutState {
  const { plan, step } = running;
  const stepMs = running.stepMs + elapsedMs;
  if (stepMs < plan.everyMs) return { ...state, running: { ...running, stepMs } };
  // A gateway that slept makes one step, not several: each has to be seen.
  const next = step + 1;
  if (next >= plan.steps.length) return promoted(state, running, "completed");
  return told(
    { ...state, running: { ...running, step: next, stepMs: 0 } },
    `version ${plan.to} gets ${plan.steps[next]} %`,
  );
}

function counted(
  state: RolloutState,
  running: RunningRollout,
  { version, hasFailed }: { readonly version: string; readonly hasFailed: boolean },
): RolloutState {
  if (version !== running.plan.to) return state;
  const { calls, failures } = running.to;
  const to = { calls: calls + 1, failures: failures + (hasFailed ? 1 : 0) };
  return checked({ ...state, running: { ...running, to } });
}

/** Aborts if a condition holds. */
function checked(state: RolloutState): RolloutState {
  const { running } = state;
  if (!running) return state;
  for (const condition of running.plan.abortIf) {
    const measured = measuredOf(running, condition);
    if (!measured || measured.count < running.plan.minCalls) continue;
    const { share, count } = measured;
    const holds = condition.is === "above" ? share > condition.limit : share < condition.limit;
    if (!holds) continue;
    const because = `${conditionText(condition)} holds: ${(share * 100).toFixed(1)} % of ${count}`;
    return aborted(state, running, because);
  }
  return state;
}

function measuredOf(
  { to, comparisons }: RunningRollout,
  { metric }: AbortCondition,
): { readonly share: number; readonly count: number } | undefined {
  if (metric === "failures") {
    return to.calls === 0 ? undefined : { share: to.failures / to.calls, count: to.calls };
  }
  const { compared } = comparisons;
  return compared === 0 ? undefined : { share: comparisons[metric] / compared, count: compared };
}

function promoted(state: RolloutState, { plan }: RunningRollout, how: string): RolloutState {
  const before = [...state.before, plan.from].slice(-maxHistory);
  const leaving = { version: plan.from, answers: true };
  return {
    ...ended(state, {
      stable: plan.to,
      leaving,
      text: `${how}: version ${plan.to} gets all calls`,
    }),
    before,
  };
}

function aborted(state: RolloutState, { plan }: RunningRollout, because: string): RolloutState {
  const leaving = { version: plan.to, answers: false };
  return ended(state, { stable: plan.from, leaving, text: `aborted: ${because}` });
}

interface Ending {
  readonly stable: string;
  /** Version that gets no more calls. */
  readonly leaving: LeavingVersion;
  readonly text: string;
}

function ended(state: RolloutState, { stable, leaving, text }: Ending): RolloutState {
  const { leaving: _before, ...rest } = state;
  return told({ ...rest, stable, running: undefined, ...(state.devices && { leaving }) }, text);
}

function undone(state: RolloutState): RolloutState {
  if (state.running) throw new RangeError("a rollout is under way; abort it instead");
  const last = state.before.at(-1);
  if (last === undefined) throw new RangeError("there is nothing to undo");
  if (state.leaving && state.leaving.version !== last) {
    throw new RangeError(
      `devices that hold version ${state.leaving.version} are still being swapped; wait for them`,
    );
  }
  const leaving = { version: state.stable ?? last, answers: true };
  return {
    ...ended(state, { stable: last, leaving, text: `undone: version ${last} gets all calls` }),
    before: state.before.slice(0, -1),
  };
}

function told(state: RolloutState, text: string): RolloutState {
  const news = { stable: state.stable ?? "latest", text };
  return {
    ...state,
    revision: state.revision + 1,
    history: [...state.history, news].slice(-maxHistory),
  };
}

function added(a: ComparisonCounts, b: ComparisonCounts): ComparisonCounts {
  return {
    compared: a.compared + b.compared,
    top1: a.top1 + b.top1,
    top5: a.top5 + b.top5,
    iou: a.iou + b.iou,
    distance: a.distance + b.distance,
  };
}
