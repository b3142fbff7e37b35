import type { Random } from "@tensorgate/core";

export interface FoldOptions {
  readonly foldCount: number;
  readonly random: Random;
  /**
   * Group of each row: rows of a group fall into one fold, so that a near copy of a picture is not what it is tested by.
   * A class with fewer groups than folds is divided by its rows.
   */
  readonly groups: Int32Array;
}

/**
 * Divides rows into folds that have about the same number of each class.
 *
 * @returns the fold of each row
 */
export function stratifiedFolds(
  classes: Int32Array,
  { foldCount, random, groups }: FoldOptions,
): Int32Array {
  const folds = new Int32Array(classes.length);
  const sizes = new Array<number>(foldCount).fill(0);
  for (const members of rowsByClass(classes).values()) {
    const units = unitsOf(members, groups, foldCount);
    shuffle(units, random);
    // Largest units first, so that folds come out even; the sort is stable, so equal ones stay shuffled.
    units.sort((a, b) => b.length - a.length);
    const ofClass = new Array<number>(foldCount).fill(0);
    for (const unit of units) {
      const fold = emptiest(ofClass, sizes);
      for (const row of unit) folds[row] = fold;
      ofClass[fold] = (ofClass[fold] ?? 0) + unit.length;
      sizes[fold] = (sizes[fold] ?? 0) + unit.length;
    }
  }
  return folds;
}

export interface HoldoutOptions extends Omit<FoldOptions, "foldCount"> {
  /** Share of each class that is held out; 0..1. At least one picture of a class stays, and one is held out. */
  readonly share: number;
}

/** Chooses rows to hold out: about the same share of every class. */
export function stratifiedHoldout(
  classes: Int32Array,
  { share, random, groups }: HoldoutOptions,
): readonly number[] {
  const held: number[] = [];
  if (share <= 0) return held;
  for (const members of rowsByClass(classes).values()) {
    const wanted = Math.min(members.length - 1, Math.max(1, Math.round(members.length * share)));
    const units = unitsOf(members, groups, 2);
    shuffle(units, random);
    const chosen: number[] = [];
    for (const unit of units) {
      if (chosen.length >= wanted) break;
      if (chosen.length + unit.length < members.length) chosen.push(...unit);
    }
    held.push(...chosen);
  }
  return held.sort((a, b) => a - b);
}

function rowsByClass(classes: Int32Array): Map<number, number[]> {
  const byClass = new Map<number, number[]>();
  for (const [row, each] of classes.entries()) {
    const members = byClass.get(each);
    if (members) members.push(row);
    else byClass.set(each, [row]);
  }
  return byClass;
}

/** Rows of a class that must stay together; single rows if there are fewer such units than needed. */
function unitsOf(members: readonly number[], groups: Int32Array, needed: number): number[][] {
  const byGroup = new Map<number, number[]>();
  for (const row of members) {
    const group = groups[row] as number;
    const unit = byGroup.get(group);
    if (unit) unit.push(row);
    else byGroup.set(group, [row]);
  }
  return byGroup.size >= needed ? [...byGroup.values()] : members.map((row) => [row]);
}

function emptiest(ofClass: readonly number[], sizes: readonly number[]): number {
  let best = 0;
  for (let fold = 1; fold < sizes.length; fold += 1) {
    const difference = (ofClass[fold] ?? 0) - (ofClass[best] ?? 0);
    if (difference < 0 || (difference === 0 && (sizes[fold] ?? 0) < (sizes[best] ?? 0)))
      best = fold;
  }
  return best;
}

function shuffle(items: unknown[], random: Random): void {
  for (let last = items.length - 1; last > 0; last -= 1) {
    const other = random.below(last + 1);
    [items[last], items[other]] = [items[other], items[last]];
  }
}
