import {
  type DetectorFormat,
  detectorFormat,
  detectorOutputs,
  detectorPresets,
} from "@tensorgate/tf-serving";
import type { ModelOptions } from "../release-options.ts";
import { type DetectionOptions, detectionDefaults } from "./detector-options.ts";

/** How a release makes boxes of its outputs. */
export type ReleaseDetector =
  /** By the anchors of an SSD: class logits of six layers, then their box offsets. */
  | { readonly kind: "ssd-head"; readonly outputs: readonly string[] }
  | {
      readonly kind: "format";
      readonly format: DetectorFormat;
      /** Scores per class, where the output has other values after them. */
      readonly classCount: number | undefined;
      /** Outputs that it reads. */
      readonly outputs: readonly string[];
      /** Outputs to ask a replica for; empty for all. */
      readonly filter: readonly string[];
    };

/** Resolves the detector that a model's options describe; undefined if they describe none. */
export function describedDetector({
  detector,
  classCount,
}: ModelOptions): Extract<ReleaseDetector, { kind: "format" }> | undefined {
  if (!detector) return undefined;
  const format = detectorFormat(detector);
  const { boxes } = format;
  if (!boxes) return undefined;
  const outputs = detectorOutputs(format);
  // The only output of a reply is read whatever its name, so that a preset's need not be the model's.
  const isNamed = outputs.length > 1 || detector.boxes?.output !== undefined;
  const filter = isNamed ? outputs : [];
  return { kind: "format", format: { ...format, boxes }, classCount, outputs, filter };
}

/** What answers are cut down to: as the options say, and else as is usual for the preset. */
export function detectionFrom({ detector, detection }: ModelOptions): Required<DetectionOptions> {
  const usual = detector?.preset && detectorPresets.get(detector.preset)?.selection;
  return { ...detectionDefaults, ...usual, ...detection };
}
