import { type AbortCondition, assertPlan, conditionText, type RolloutPlan } from "./plan.ts";

/** Sums of what was seen of a version since its rollout began. */
export interface VersionCounts {
  readonly calls: number;
  readonly failures: number;
}

/** Sums of comparisons of the two versions. */
export interface ComparisonCounts {
  readonly compared: number;
  readonly top1: number;
  readonly top5: number;
  readonly iou: number;
  readonly distance: number;
}

export const noCounts: VersionCounts = { calls: 0, failures: 0 };
export const noComparisons: ComparisonCounts = {
  compared: 0,
  top1: 0,
  top5: 0,
  iou: 0,
  distance: 0,
};

/** A rollout that is under way. Plain JSON. */
export interface RunningRollout {
  readonly plan: RolloutPlan;
  readonly step: number;
  /** Time that the step has lasted. */
  readonly stepMs: number;
  readonly to: VersionCounts;
  readonly comparisons: ComparisonCounts;
}

/** Something that changed which version answers. */
export interface RolloutNews {
  /** Version that answers all calls, or all but those of the rollout that begins. */
  readonly stable: string;
  readonly text: string;
}

/** Which versions of a model answer calls that name none. Plain JSON. */
export interface RolloutState {
  /** Grows with every change of weights. */
  readonly revision: number;
  /** Version that calls get outside of a rollout; undefined for the latest. */
  readonly stable: string | undefined;
  readonly running: RunningRollout | undefined;
  /** Newest last. */
  readonly history: readonly RolloutNews[];
  /** Stable versions before this one, the last one last: what `undo` goes back to. */
  readonly before: readonly string[];
}

export const noRollout: RolloutState = {
  revision: 0,
  stable: undefined,
  running: undefined,
  history: [],
  before: [],
};

export type RolloutEvent =
  | { readonly type: "start"; readonly plan: RolloutPlan }
  | { readonly type: "time"; readonly elapsedMs: number }
  | { readonly type: "call"; readonly version: string; readonly hasFailed: boolean }
  | { readonly type: "compared"; readonly sums: ComparisonCounts }
  | { readonly type: "promote" }
  | { readonly type: "abort"; readonly because: string }
  | { readonly type: "undo" };

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
      return ended(state, runningOf(state).plan.from, `aborted: ${event.because}`);
    case "undo":
      return undone(state);
  }
}

/**
 * Returns the share of the calls that each version gets; 0..1, together 1.
 *
 * @returns undefined if the latest version gets them all
 */
export function weightsOf({
  stable,
  running,
}: RolloutState): ReadonlyMap<string, number> | undefined {
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
  assertPlan(plan);
  const running = { plan, step: 0, stepMs: 0, to: noCounts, comparisons: noComparisons };
  return told(
    { ...state, stable: plan.from, running },
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
    return ended(state, running.plan.from, `aborted: ${because}`);
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
  return { ...ended(state, plan.to, `${how}: version ${plan.to} gets all calls`), before };
}

function ended(state: RolloutState, stable: string, text: string): RolloutState {
  return told({ ...state, stable, running: undefined }, text);
}

function undone(state: RolloutState): RolloutState {
  if (state.running) throw new RangeError("a rollout is under way; abort it instead");
  const last = state.before.at(-1);
  if (last === undefined) throw new RangeError("there is nothing to undo");
  return {
    ...ended(state, last, `undone: version ${last} gets all calls`),
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
