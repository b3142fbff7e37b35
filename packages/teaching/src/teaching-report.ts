import type { Accuracy } from "./measures.ts";

/** A picture by its name, and what was predicted of it. */
export interface HardPicture {
  readonly id: string;
  readonly actual: string;
  readonly predicted: string;
  /** Probability of the predicted class. */
  readonly score: number;
}

/** Two pictures whose features are almost the same. */
export interface DuplicatePair {
  readonly first: string;
  readonly second: string;
  /** 0 for copies, 1 for two usual pictures. */
  readonly distance: number;
  /** Whether they are in different classes: one of them is probably in the wrong one. */
  readonly isAcrossClasses: boolean;
  /** Whether one of them was held out: what was held out then says too much. */
  readonly isAcrossSplit: boolean;
}

/** What teaching a head found out. Plain JSON. */
export interface TeachingReport {
  readonly classes: readonly { readonly name: string; readonly count: number }[];
  readonly seed: number;
  /** On pictures that were held out; absent if none were. */
  readonly heldOut?: Accuracy;
  /** On all other pictures, each predicted by a head that did not see it. */
  readonly crossValidation: Accuracy & { readonly foldCount: number };
  /** Held-out pictures, or those of the folds: rows are classes, columns what they were taken for. */
  readonly confusion: readonly (readonly number[])[];
  /** Pictures whose class got the lowest probability, worst first. */
  readonly hardest: readonly HardPicture[];
  readonly duplicates: {
    /** Pairs found in all. */
    readonly count: number;
    /** The nearest ones. */
    readonly nearest: readonly DuplicatePair[];
  };
  readonly penalty: number;
  /** What logits were divided by, so that a score of 0.9 is right nine times of ten. */
  readonly temperature: number;
}
