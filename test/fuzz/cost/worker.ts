import type { Random } from "../mutate.ts";
import { type Arm, armOf, growFrom, keepElite, nextTrial, type Trial } from "./arms.ts";
import { recipeName } from "./body.ts";
import {
  badness,
  costBounds,
  type Found,
  foundFrom,
  isOver,
  memoryBytes,
  projectedStallMs,
  stallMs,
} from "./finding.ts";
import type { Findings } from "./findings.ts";
import type { Known } from "./known.ts";
import { type CostRig, leastOf } from "./rig.ts";

/** Lengths of the first look at a recipe, in bytes: short for some, and where an arm is dear; else longer. */
const shortBytes = 2 ** 16;
const longBytes = 2 ** 19;
const shortShare = 0.2;
/** Lengths to which a recipe grows after that; each target has its own limit, too. */
const growthBytes = [longBytes, memoryBytes, 60 * 2 ** 20];
/** A ratio that is less than this many times the one at the length before is stable. */
const stableGrowth = 1.15;
/** Below this share of a bound a stable ratio is not followed to the longest length. */
const nearShare = 0.4;
/** What would take longer than this is not grown further, in milliseconds of CPU. */
const enoughMs = 8_000;
/** Length of what was found before, in bytes: it need not be looked for. */
const knownBytes = 2 ** 24;

export interface WorkerDeps {
  readonly rig: CostRig;
  readonly random: Random;
  readonly findings: Findings;
  readonly isDone: () => boolean;
}

/** Measures one body after the other; several workers search the same arms. */
export interface Worker {
  /** @returns how many bodies it has measured */
  step(arm: Arm): Promise<number>;
  tryKnown(known: Known, arms: ReadonlyMap<string, Arm>): Promise<number>;
}

export function createWorker({ rig, random, findings, isDone }: WorkerDeps): Worker {
  let bodyCount = 0;

  async function look({ target, recipe }: Trial, length: number, times = 1): Promise<Found> {
    bodyCount += times;
    return foundFrom(target, recipe, await rig.measure({ target, recipe, length }, times));
  }

  /** Keeps a stall that is the longest of its arm, if it is as long when it is measured again. */
  async function noteStall(arm: Arm, found: Found): Promise<void> {
    if (stallMs(found) <= findings.minStallMs(arm)) return;
    const { target, recipe, bytes } = found;
    bodyCount += 1;
    const again = await rig.measure({ target, recipe, length: bytes }, 1);
    findings.noteStall(arm, foundFrom(target, recipe, leastOf(found, again)));
  }

  /** Looks at a body of the length that fits: what is cheap when short is looked at when longer. */
  async function firstLook(arm: Arm, trial: Trial): Promise<{ first: Found; length: number }> {
    const isDear = arm.elite.some((found) => badness(found) >= growFrom.grownRatio);
    if (isDear || random() < shortShare || trial.target.maxBytes <= shortBytes) {
      const first = await look(trial, shortBytes);
      const isCheap = badness(first) < growFrom.grownRatio && trial.target.maxBytes > shortBytes;
      if (!isCheap) return { first, length: shortBytes };
    }
    return { first: await look(trial, longBytes), length: longBytes };
  }

  async function step(arm: Arm): Promise<void> {
    const trial = nextTrial(arm, random);
    const bar = trial.isTransfer ? growFrom : arm;
    const isWorthGrowing = (found: Found) =>
      badness(found) >= bar.grownRatio || projectedStallMs(found) >= bar.grownStallMs;
    const { first, length } = await firstLook(arm, trial);
    keepElite(arm, first);
    if (!isWorthGrowing(first) && !trial.isGrown) {
      findings.note(isOver(first, costBounds) ? await look(trial, length, 2) : first);
      return;
    }
    // Often it was only the machine: what is worth growing is measured again.
    const again = await look(trial, length, 2);
    findings.note(again);
    if (!isWorthGrowing(again) && !trial.isGrown) return;
    arm.grownRatio = Math.max(arm.grownRatio, badness(again) * 1.1);
    if (length === longBytes) {
      arm.grownStallMs = Math.max(arm.grownStallMs, projectedStallMs(again) * 1.1);
    }
    await grow(arm, trial, again);
  }

  /** Measures longer and longer bodies until the ratio is stable and no stall is to be expected, or a bound is broken. */
  async function grow(arm: Arm, trial: Trial, from: Found): Promise<void> {
    let last = from;
    arm.grown.add(recipeName(trial.recipe));
    await noteStall(arm, from);
    for (const length of growthBytes) {
      const wanted = Math.min(length, trial.target.maxBytes);
      if (wanted < last.bytes * 1.3) continue;
      const isClear = last.bytes >= longBytes * 0.9;
      if (isDone() || last.cost.end !== "answered") return;
      if (isClear && isOver(last, costBounds)) return;
      if ((last.cost.cpuMs * wanted) / last.bytes > enoughMs) return;
      if (isClear && last !== from && isStable(last, from)) return;
      last = await look(trial, length);
      keepElite(arm, last);
      findings.note(last);
      await noteStall(arm, last);
    }
  }

  async function counted(work: () => Promise<void>): Promise<number> {
    const before = bodyCount;
    await work();
    return bodyCount - before;
  }

  return {
    step: (arm) => counted(() => step(arm)),
    tryKnown: ({ target, recipe }, arms) =>
      counted(async () => {
        const trial = { target, recipe, isGrown: false, isTransfer: false };
        const found = await look(trial, knownBytes);
        findings.note(found);
        const arm = armOf(arms, target, recipe);
        if (arm) await noteStall(arm, found);
      }),
  };
}

/** Whether the longest length will show no more than `found` does. */
function isStable(found: Found, shorter: Found): boolean {
  return (
    found.cpuRatio < shorter.cpuRatio * stableGrowth &&
    found.cpuRatio < costBounds.maxCpuRatio * nearShare &&
    found.memoryRatio < costBounds.maxMemoryRatio * nearShare &&
    projectedStallMs(found) < costBounds.maxStallMs
  );
}
