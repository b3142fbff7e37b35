import type { DType, Tensor } from "@tensorgate/core";
import type { DetectorOptions, DetectorPresetName } from "./detector-format.ts";

/** An input or output as a server or a file declares it. */
export interface DeclaredTensor {
  readonly name: string;
  readonly dtype: DType | undefined;
  /** With the batch; -1 for an open extent, undefined for an unknown rank. */
  readonly shape: readonly number[] | undefined;
  /** What it was for a test picture. */
  readonly seen?: Tensor | undefined;
}

export interface DetectorClues {
  /** Of the pixels that the model takes, where they are fixed. */
  readonly inputSize: { readonly heightPx: number; readonly widthPx: number } | undefined;
  readonly outputs: readonly DeclaredTensor[];
}

/** A detector as its outputs show it. */
export interface DetectorGuess {
  readonly preset: DetectorPresetName;
  /** As a configuration describes it, with the names of its outputs. */
  readonly detector: DetectorOptions;
  /** Scores of each box, where other values follow them. */
  readonly classCount?: number;
  readonly labels?: "coco" | "coco-by-number";
  /** Side of the square of pixels that so many boxes belong to, where the input does not show it. */
  readonly sidePx?: number;
  /** What names and shapes do not prove; one sentence each. */
  readonly doubts: readonly string[];
}

// Doubts that several guesses have.

export const fromZero = "class numbers are assumed to begin at 0, without a background";
export const fromOne =
  "class numbers are assumed to begin at 1: the first label is that of the background, which may be left out";
export const cornersInPixels =
  "boxes are assumed to be left, top, right, bottom in pixels of the input";

export const noLabels =
  "the outputs do not show which classes there are; add labels: coco-by-number, if they are COCO's, or a file with one label per line";

export const cocoDoubt = (classes: number): string => `${classes} classes are assumed to be COCO's`;
