import type { Recipe } from "./body.ts";
import type { CostTarget } from "./cost-target.ts";
import { type CostRig, largeBytes, leastOf, type Measured } from "./rig.ts";

/** What one recipe cost at one target. */
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

/**
 * An ordinary picture costs at least so much, in milliseconds; below, it is the clock that is measured. Replies come from
 * replicas, as many as calls are sent there: one that costs less than this many times the bound is no attack.
 */
const minOrdinaryMs = { request: 0.5, reply: 8 } as const;
/**
 * Pictures of its length that a body counts as. A picture that comes in is copied and sent on, and has become much cheaper
 * since the bound was chosen; a reply is read value by value, and most often written as text.
 */
const ordinaryPictures = { request: 1, reply: 2 } as const;
/** What the garbage collector may leave uncollected, in bytes. */
const memorySlackBytes = 24 * 2 ** 20;
/** From this length on memory is compared: below, it is lost in the slack. */
export const memoryBytes = 8 * largeBytes;

export function foundFrom(target: CostTarget, recipe: Recipe, measured: Measured): Found {
  const { bytes, cost, ordinary } = measured;
  const isMeasured = bytes >= memoryBytes * 0.9 || cost.end === "took too much memory";
  const usualBytes = Math.max(ordinary.memoryBytes, bytes, 1);
  const kind = kindOf(target);
  const ordinaryMs = ordinaryPictures[kind] * ordinary.cpuMs;
  return {
    ...measured,
    target,
    recipe,
    cpuRatio: cost.cpuMs / Math.max(ordinaryMs, minOrdinaryMs[kind]),
    memoryRatio: isMeasured ? Math.max(0, cost.memoryBytes - memorySlackBytes) / usualBytes : 0,
  };
}

const kindOf = ({ name }: CostTarget) => (name.startsWith("reply") ? "reply" : "request");

export const isOver = ({ cpuRatio, memoryRatio, cost }: Found, bounds: Bounds): boolean =>
  cost.end !== "answered" || cpuRatio > bounds.maxCpuRatio || memoryRatio > bounds.maxMemoryRatio;

/** What compiling code, or a busy machine, may take on top of a body's own work, in milliseconds of CPU. */
const noiseMs = 500;

/** Whether it is over by so much that no noise explains it. */
const isFarOver = (found: Found, { maxCpuRatio, maxMemoryRatio, maxStallMs }: Bounds): boolean =>
  (found.cost.end !== "answered" || found.cost.cpuMs > noiseMs) &&
  isOver(found, {
    maxCpuRatio: 2 * maxCpuRatio,
    maxMemoryRatio: 2 * maxMemoryRatio,
    maxStallMs,
  });

/** How long the loop stood, in milliseconds of CPU time. */
export const stallMs = ({ cost }: Found): number => cost.stallMs;

/** How far something is from the bounds: what ends the process is worse than what takes long. */
export function badness({ cpuRatio, memoryRatio, cost }: Found): number {
  const ratio = Math.max(cpuRatio, memoryRatio * 5);
  return cost.end === "answered" || cost.end === "timed out" ? ratio : 1_000 + ratio;
}

/** How long the loop would stand at the longest length, if it does so in proportion. */
export function projectedStallMs(found: Found): number {
  const longer = found.target.maxBytes / Math.max(found.bytes, 1);
  // When short, what an ordinary picture takes at a time says nothing of long ones.
  const ordinaryMs = found.bytes < memoryBytes * 0.9 ? found.ordinary.stallMs : 0;
  return Math.max(0, stallMs(found) - ordinaryMs) * Math.max(1, longer);
}

/** What is worth mutating: what costs much, or would keep the loop long. */
export const interest = (found: Found): number =>
  Math.max(badness(found), projectedStallMs(found) / 30);

/** Measures again, beside ordinary pictures, what seems to break a bound: only what does so every time is kept. */
export async function confirmed(rig: CostRig, found: Found, bounds: Bounds): Promise<Found> {
  const { target, recipe, bytes } = found;
  let least = found;
  let measured: Measured | undefined;
  // What ends the process, or takes all of its time, is long to measure and no chance.
  for (const times of found.cost.end === "answered" ? [1, 2, 3] : [1]) {
    const again = await rig.compare({ target, recipe, length: bytes }, times);
    measured = measured ? leastOf(measured, again) : again;
    least = foundFrom(target, recipe, measured);
    if (!isOver(least, bounds) || isFarOver(least, bounds)) break;
  }
  return least;
}
