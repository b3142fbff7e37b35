import { pick, type Random } from "../mutate.ts";
import { changedRecipe, freshRecipe, type Recipe, simpleRecipes } from "./body.ts";
import type { CostTarget } from "./cost-target.ts";
import type { Known } from "./known.ts";
import { type CostRig, largeBytes, leastOf, type Measured } from "./rig.ts";

/** The worst that was found for one target, or one that broke a bound. */
export interface Found extends Measured {
  readonly target: CostTarget;
  readonly recipe: Recipe;
  readonly cpuRatio: number;
  /** 0 where the body is too short to tell. */
  readonly memoryRatio: number;
}

export interface Bounds {
  readonly maxCpuRatio: number;
  readonly maxMemoryRatio: number;
  readonly maxStallMs: number;
}

export const costBounds: Bounds = { maxCpuRatio: 20, maxMemoryRatio: 4, maxStallMs: 100 };

/** An ordinary picture costs at least so much, in milliseconds; below, it is the clock that is measured. */
const minOrdinaryMs = 0.5;
/** What the collector may leave lying about, in bytes. */
const memorySlackBytes = 24 * 2 ** 20;

export function foundFrom(target: CostTarget, recipe: Recipe, measured: Measured): Found {
  const { bytes, cost, ordinary } = measured;
  const isMeasured = bytes >= 8 * largeBytes || cost.end === "took too much memory";
  const usualBytes = Math.max(ordinary.memoryBytes, bytes, 1);
  return {
    ...measured,
    target,
    recipe,
    cpuRatio: cost.cpuMs / Math.max(ordinary.cpuMs, minOrdinaryMs),
    memoryRatio: isMeasured ? Math.max(0, cost.memoryBytes - memorySlackBytes) / usualBytes : 0,
  };
}

export const isOver = ({ cpuRatio, memoryRatio, cost }: Found, bounds: Bounds): boolean =>
  cost.end !== "answered" || cpuRatio > bounds.maxCpuRatio || memoryRatio > bounds.maxMemoryRatio;

/** How long the loop stood; on a busy machine also because others ran, which takes no CPU time of ours. */
export const stallMs = ({ cost }: Found): number => Math.min(cost.stallMs, cost.cpuMs);

/** How far something is from the bounds: what ends the process is worse than what takes long. */
function badness({ cpuRatio, memoryRatio, cost }: Found): number {
  const ratio = Math.max(cpuRatio, memoryRatio * 5);
  return cost.end === "answered" || cost.end === "timed out" ? ratio : 1_000 + ratio;
}

/** What is kept to be changed stops the loop, or is bad otherwise. */
const interest = (found: Found): number => Math.max(badness(found), stallMs(found) / 30);

/** How long the loop would stand at the longest length, if it does so in proportion. */
const projectedStallMs = (found: Found): number =>
  (stallMs(found) * found.target.maxBytes) / Math.max(found.bytes, largeBytes / 2);

/** Length of the first look at a recipe, of the second at one that was cheap, and those at which it grows, in bytes. */
const firstBytes = 2 ** 16;
const secondBytes = 2 ** 20;
const growthBytes = [2 ** 20, 2 ** 23, 60 * 2 ** 20];
/** A recipe is grown when it costs this many times as much as a picture, or would stop the loop for so long. */
const growFrom = { grownRatio: 3, grownStallMs: 2 * costBounds.maxStallMs } as const;
/** Of a target that is over the bounds already, so much is tried all the same: others may be, too. */
const overShare = 0.1;
/** Of what is cheap when short, so many are looked at when longer. */
const secondShare = 0.5;
/** What takes longer than this is not grown further, in milliseconds. */
const enoughMs = 2_000;
const eliteCount = 6;
/** Length of what was found before, in bytes: it need not be looked for. */
const knownBytes = 2 ** 24;

interface TargetState {
  readonly target: CostTarget;
  readonly untried: Recipe[];
  elite: Found[];
  worst: Found | undefined;
  grownRatio: number;
  grownStallMs: number;
}

export interface SearchParts {
  readonly rig: CostRig;
  readonly targets: readonly CostTarget[];
  /** Tried first, whatever time is left. */
  readonly known: readonly Known[];
  readonly random: Random;
  readonly isOver: () => boolean;
  /** Called with what takes the place of the worst of its target. */
  readonly onWorse: (found: Found) => void;
}

export interface SearchResult {
  readonly worst: readonly Found[];
  readonly stalls: readonly Found[];
  readonly probeCount: number;
}

/** Looks for the body that costs most for its length, for every target: keeps the worst, changes it, grows it. */
export async function search({
  rig,
  targets,
  known,
  random,
  isOver: isDone,
  onWorse,
}: SearchParts): Promise<SearchResult> {
  const states = targets.map(
    (target): TargetState => ({
      target,
      untried: shuffled(simpleRecipes(target.sites), random),
      elite: [],
      worst: undefined,
      ...growFrom,
    }),
  );
  const stalls = new Map<string, Found>();
  let probeCount = 0;

  function next({ untried, elite, target }: TargetState): Recipe {
    const draw = random();
    if (elite.length > 0 && draw < 0.35) {
      return changedRecipe(pick(random, elite).recipe, target.sites, random);
    }
    return (draw < 0.9 && untried.pop()) || freshRecipe(target.sites, random);
  }

  function note(state: TargetState, found: Found): void {
    if (stallMs(found) > costBounds.maxStallMs) {
      const before = stalls.get(state.target.name);
      if (!before || stallMs(before) < stallMs(found)) stalls.set(state.target.name, found);
    }
    if (state.worst && badness(state.worst) >= badness(found)) return;
    state.worst = found;
    onWorse(found);
  }

  const isWorthGrowing = (state: TargetState, found: Found): boolean =>
    badness(found) >= state.grownRatio || projectedStallMs(found) >= state.grownStallMs;

  async function step(state: TargetState): Promise<void> {
    const { target } = state;
    const recipe = next(state);
    const looked = async (length: number) => {
      probeCount += 1;
      return foundFrom(target, recipe, await rig.measureQuickly({ target, recipe, length }));
    };
    let first = await looked(firstBytes);
    if (
      badness(first) < growFrom.grownRatio &&
      target.maxBytes > secondBytes &&
      random() < secondShare
    ) {
      first = await looked(secondBytes);
    }
    state.elite = [...state.elite, first]
      .toSorted((a, b) => interest(b) - interest(a))
      .slice(0, eliteCount);
    if (!isWorthGrowing(state, first)) return;
    // Often it was only the machine: what is worth to be grown is measured again.
    const length = first.bytes > secondBytes / 2 ? secondBytes : firstBytes;
    const again = foundFrom(target, recipe, await rig.measure({ target, recipe, length }, 2));
    if (!isWorthGrowing(state, again)) return;
    state.grownRatio = Math.max(state.grownRatio, badness(again) * 1.1);
    if (length === secondBytes) {
      state.grownStallMs = Math.max(state.grownStallMs, projectedStallMs(again) * 1.1);
    }
    note(state, again);
    await grow(state, again);
  }

  async function grow(state: TargetState, from: Found): Promise<void> {
    const { target, recipe } = from;
    let last = from;
    for (const length of growthBytes.filter((each) => each > from.bytes * 1.5)) {
      const isTooLong = last.bytes >= target.maxBytes * 0.7;
      const ratio = Math.min(length, target.maxBytes) / last.bytes;
      if (isTooLong || isDone() || last.cost.cpuMs * ratio > enoughMs * 4) return;
      // By now it is clear that it is nothing, or that it is enough.
      const isClear = last.bytes >= secondBytes / 2;
      if (isClear && isOver(last, costBounds)) return;
      if (isClear && !isWorthGrowing({ ...state, ...growFrom }, last)) return;
      probeCount += 1;
      last = foundFrom(target, recipe, await rig.measure({ target, recipe, length }, 1));
      note(state, last);
      if (last.cost.end !== "answered" || last.cost.cpuMs > enoughMs) return;
    }
  }

  for (const { target, recipe } of known) {
    const state = states.find((each) => each.target === target);
    probeCount += 1;
    const measured = await rig.measure({ target, recipe, length: knownBytes }, 1);
    if (state) note(state, foundFrom(target, recipe, measured));
  }
  // Most targets are RPCs, by several protocols and all alike: each kind of target gets its share.
  const kinds = Object.groupBy(states, ({ target }) => target.family.split(" ", 1)[0] ?? "");
  const families = Object.values(kinds);
  while (!isDone()) {
    const state = pick(random, pick(random, families) as TargetState[]);
    const isDoneWith = state.worst && isOver(state.worst, costBounds);
    if (!isDoneWith || random() < overShare) await step(state);
  }
  return {
    worst: states.flatMap(({ worst }) => worst ?? []),
    stalls: [...stalls.values()],
    probeCount,
  };
}

function shuffled<Value>(values: readonly Value[], random: Random): Value[] {
  return values
    .map((value) => ({ value, order: random() }))
    .toSorted((a, b) => a.order - b.order)
    .map(({ value }) => value);
}

/** Measures again what seems to break a bound: only what does so every time is kept. */
export async function confirmed(rig: CostRig, found: Found, bounds: Bounds): Promise<Found> {
  const { target, recipe, bytes } = found;
  let least = found;
  let measured: Measured | undefined;
  // What ends the process, or takes all of its time, is long to measure and no chance.
  for (const times of found.cost.end === "answered" ? [1, 2, 3] : [1]) {
    const again = await rig.measure({ target, recipe, length: bytes }, times);
    measured = measured ? leastOf(measured, again) : again;
    least = foundFrom(target, recipe, measured);
    if (!isOver(least, bounds)) break;
  }
  return least;
}
