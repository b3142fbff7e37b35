import type { OutputHolds, Preprocessing, TensorNames } from "@tensorgate/core";

export const familyNames = [
  "resnet-50",
  "resnet-152",
  "densenet-121",
  "vgg-16",
  "ssd-vgg",
] as const;

export type FamilyName = (typeof familyNames)[number];

/** Both have the same tensor names. Only the float SSD-VGG takes another input. */
export const familyVariants = ["quantized", "float"] as const;

export type FamilyVariant = (typeof familyVariants)[number];

/** All that is known of a topology and of the graph around it, whatever serves it. */
export interface Family {
  readonly name: FamilyName;
  readonly title: string;
  readonly task: "classify" | "detect";
  /** Takes encoded pictures, BYTES `[N]`. */
  readonly input: TensorNames;
  /** Takes pixels, FP32 `[N, height, width, 3]`, in the variants that want them. */
  readonly pixelInput: TensorNames;
  readonly pixelVariants: readonly FamilyVariant[];
  /** What the graph does to a picture, and what has to be done for a model that takes pixels. */
  readonly preprocessing: Preprocessing;
  readonly outputs: readonly FamilyOutput[];
  /** Names of the classes in the order of the scores. */
  readonly labels: readonly string[];
}

export interface FamilyOutput extends TensorNames {
  readonly holds: OutputHolds;
  /** -1 for the batch. */
  readonly shape: readonly number[];
}
