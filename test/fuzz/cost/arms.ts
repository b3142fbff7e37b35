import { pick, type Random } from "../mutate.ts";
import { changedRecipe, freshRecipe, type Recipe, recipeName, simpleRecipes } from "./body.ts";
import type { CostTarget } from "./cost-target.ts";
import { costBounds, type Found, interest, isOver } from "./finding.ts";

/** A recipe for one target. */
export interface Trial {
  readonly target: CostTarget;
  readonly recipe: Recipe;
  /** Whether it is measured when long, however cheap it is when short. */
  readonly isGrown: boolean;
  /** Whether it was bad at another target of the same parser. */
  readonly isTransfer: boolean;
}

/** An arm of the search's bandit: one site of one parser. Targets that share the parser share the arm. */
export interface Arm {
  readonly name: string;
  readonly group: string;
  readonly targets: readonly CostTarget[];
  /** Every simple recipe that has not been tried yet, for any target. */
  readonly untried: Recipe[];
  /** Recipes that are tried before anything else. */
  readonly queued: Trial[];
  /** Targets that are over the bounds here: they need no more looks. */
  readonly over: Set<CostTarget>;
  elite: Found[];
  spentMs: number;
  trialCount: number;
  isScreened: boolean;
  /** Recipes that were measured at more than the length of the first look, by name. */
  readonly grown: Set<string>;
  /** A recipe is grown when it costs this many times as much as a picture, or would stop the loop for so long. */
  grownRatio: number;
  grownStallMs: number;
}

/** From what on a recipe is grown. */
export const growFrom = { grownRatio: 3, grownStallMs: costBounds.maxStallMs } as const;
const eliteCount = 6;
/** After so many trials the worst of an arm is measured when long, cheap as it may be when short: memory shows only then. */
const growAfter: readonly number[] = [16, 64, 256];
/** So many of an arm's worst are tried at its other targets. */
const transferCount = 2;
/** Chance that an arm looks at something new before it has tried every simple recipe. */
const mutationShare = 0.15;

const siteAt = (target: CostTarget, name: string) =>
  target.sites.find((site) => site.name === name) ?? target.sites[0];

function placed(target: CostTarget, recipe: Recipe): Recipe {
  const site = siteAt(target, recipe.site.name);
  return site ? { ...recipe, site } : recipe;
}

const armName = ({ parser }: CostTarget, siteName: string) => `${parser} | ${siteName}`;

export function createArms(
  targets: readonly CostTarget[],
  random: Random,
): ReadonlyMap<string, Arm> {
  const arms = new Map<string, Arm & { targets: CostTarget[] }>();
  for (const target of targets) {
    for (const site of target.sites) {
      const name = armName(target, site.name);
      const arm = arms.get(name);
      if (arm) {
        if (!arm.targets.includes(target)) arm.targets.push(target);
        continue;
      }
      arms.set(name, {
        name,
        group: site.group ?? target.group,
        targets: [target],
        untried: shuffled(simpleRecipes([site]), random),
        queued: [],
        over: new Set(),
        elite: [],
        spentMs: 0,
        trialCount: 0,
        isScreened: false,
        grown: new Set(),
        ...growFrom,
      });
    }
  }
  return new Map(shuffled([...arms], random));
}

export const armOf = (
  arms: ReadonlyMap<string, Arm>,
  target: CostTarget,
  recipe: Recipe,
): Arm | undefined => arms.get(armName(target, recipe.site.name));

/** Chooses what an arm tries next: what is queued, else a simple recipe, else a mutation of its worst. */
export function nextTrial(arm: Arm, random: Random): Trial {
  if (growAfter.includes(arm.trialCount)) growWorst(arm);
  if (arm.untried.length === 0 && !arm.isScreened) screened(arm);
  const queued = arm.queued.shift();
  if (queued) return queued;
  const open = arm.targets.filter((target) => !arm.over.has(target));
  const target = pick(random, open.length > 0 ? open : arm.targets);
  const trial = (recipe: Recipe): Trial => ({
    target,
    recipe: placed(target, recipe),
    isGrown: false,
    isTransfer: false,
  });
  const mutates = random() < mutationShare && arm.elite.length > 0;
  const simple = mutates ? undefined : arm.untried.pop();
  if (simple) return trial(simple);
  const sites = target.sites.filter(({ name }) => armName(target, name) === arm.name);
  if (arm.elite.length > 0 && random() < 0.7) {
    const { recipe } = pick(random, arm.elite);
    return trial(changedRecipe(placed(target, recipe), sites, random));
  }
  return trial(freshRecipe(sites, random));
}

/** When every simple recipe was tried: the worst is grown, and tried at the targets that share the parser. */
function screened(arm: Arm): void {
  arm.isScreened = true;
  growWorst(arm);
  for (const { recipe } of arm.elite.slice(0, transferCount)) transfer(arm, recipe);
}

function growWorst({ elite: [worst], grown, queued }: Arm): void {
  if (!worst || grown.has(recipeName(worst.recipe))) return;
  const { target, recipe } = worst;
  queued.push({ target, recipe, isGrown: true, isTransfer: false });
}

function transfer(arm: Arm, recipe: Recipe): void {
  for (const target of arm.targets) {
    if (arm.over.has(target)) continue;
    arm.queued.push({ target, recipe: placed(target, recipe), isGrown: false, isTransfer: true });
  }
}

/** Keeps what a trial found, if it is among the worst of its arm. */
export function keepElite(arm: Arm, found: Found): void {
  const others = arm.elite.filter(({ recipe }) => recipeName(recipe) !== recipeName(found.recipe));
  arm.elite = [...others, found].toSorted((a, b) => interest(b) - interest(a)).slice(0, eliteCount);
}

/** Closes an arm for a target that is over the bounds; the first such recipe is tried at its other targets. */
export function closeIfOver(arm: Arm, found: Found): void {
  if (!isOver(found, costBounds) || arm.over.has(found.target)) return;
  arm.over.add(found.target);
  if (arm.over.size === 1) transfer(arm, found.recipe);
}

/** How much of its group's time an arm gets: more if it is near the bounds, little if it is over them. */
export function armWeight({ over, targets, elite, untried, queued }: Arm): number {
  if (over.size === targets.length) return 0.05;
  if (over.size > 0) return 0.3;
  const worst = Math.max(1, ...elite.map((found) => Math.min(interest(found), 16)));
  return (1 + Math.log2(worst)) * (untried.length + queued.length > 0 ? 2 : 1);
}

function shuffled<Value>(values: readonly Value[], random: Random): Value[] {
  return values
    .map((value) => ({ value, order: random() }))
    .toSorted((a, b) => a.order - b.order)
    .map(({ value }) => value);
}
