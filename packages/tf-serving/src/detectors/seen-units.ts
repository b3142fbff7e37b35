import { floatValues } from "@tensorgate/core";
import type { DeclaredTensor, DetectorGuess } from "./detector-guess.ts";
import { detectorFormat } from "./presets.ts";

/** Largest coordinate of boxes in fractions: they may reach a little beyond the picture, by half of their size. */
const maxFraction = 2;

/**
 * Sets the units of boxes by what the outputs were for a test picture: YOLOs exported to TensorFlow, among others, give
 * fractions where those of PyTorch give pixels. Without a box there is nothing to see.
 */
export function withUnits(guess: DetectorGuess, outputs: readonly DeclaredTensor[]): DetectorGuess {
  const { boxes, boxUnits, layout } = detectorFormat(guess.detector);
  if (!boxes || boxUnits !== "input-pixels") return guess;
  const { seen } = outputs.find(({ name }) => name === boxes.output) ?? {};
  if (!seen || (seen.dtype !== "FP32" && seen.dtype !== "FP16")) return guess;
  const [first = 0, second = 0] = seen.shape.slice(-2);
  const [boxCount, valueCount] = layout === "boxes-first" ? [first, second] : [second, first];
  const values = floatValues(seen);
  let largest = 0;
  for (let box = 0; box < boxCount; box += 1) {
    for (let index = 0; index < 4; index += 1) {
      const value = (boxes.at ?? 0) + index;
      const at = layout === "boxes-first" ? box * valueCount + value : value * boxCount + box;
      largest = Math.max(largest, values[at] ?? 0);
    }
  }
  if (largest === 0 || largest > maxFraction) return guess;
  return {
    ...guess,
    detector: { ...guess.detector, boxUnits: "fractions" },
    doubts: [
      ...guess.doubts.map((doubt) => doubt.replace("in pixels of the input", "in fractions")),
      `no coordinate of the test picture's boxes is above ${maxFraction}, so that they are taken for fractions of the input`,
    ],
  };
}
