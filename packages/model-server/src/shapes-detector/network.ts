import { seededRandom } from "@tensorgate/core";
import { type Block, blockParameters, type Parameter } from "../shapes/network.ts";
import { shapeClasses } from "../shapes/shape-classes.ts";
import { anchorsPerCell, type DetectingLayer, detectingLayers } from "./anchors.ts";

/** Side of a training scene, in pixels: half of what the served model takes. */
export const sceneSizePx = 150;

/** The background, and the symbols. */
export const detectorClassCount: number = shapeClasses.length + 1;

const block = (inputChannels: number, outputChannels: number, stride: number): Block => ({
  inputChannels,
  outputChannels,
  stride,
  kernelPx: 3,
  isPooled: false,
});

/** 150 pixels become 75, 37, 19, 19, 19, 10, 10, 5 and 3 cells. */
export const detectorBlocks: readonly Block[] = [
  { inputChannels: 3, outputChannels: 12, kernelPx: 5, stride: 2, isPooled: false },
  { inputChannels: 12, outputChannels: 24, kernelPx: 3, stride: 1, isPooled: true },
  block(24, 48, 2),
  block(48, 64, 1),
  block(64, 64, 1),
  block(64, 64, 2),
  block(64, 64, 1),
  block(64, 64, 2),
  block(64, 64, 2),
];

/** The block that each detecting layer looks at. */
export const headBlocks: readonly number[] = [4, 6, 7, 8];

export const headNames = (layer: DetectingLayer) => ({
  weights: `head${layer.index}_weights`,
  bias: `head${layer.index}_bias`,
});

/** Numbers of a head for each anchor: class logits, then offsets. */
export const headDepth: number = detectorClassCount + 4;

/** What the background's logit begins with: nearly every anchor is one. */
const backgroundBias = 5;

/** Parameters that training starts from. @param pretrained - of blocks that were trained for something else */
export function detectorParameters(
  seed: number,
  pretrained: ReadonlyMap<string, Parameter>,
): Map<string, Parameter> {
  const parameters = blockParameters(seed, detectorBlocks);
  for (const [name, parameter] of pretrained) parameters.set(name, parameter);
  detectingLayers.forEach((layer, which) => {
    const inputChannels = detectorBlocks[headBlocks[which] ?? 0]?.outputChannels ?? 0;
    const outputs = anchorsPerCell(layer) * headDepth;
    const random = seededRandom(seed * 1_000 + 500 + which);
    const limit = 0.5 * Math.sqrt(3 / inputChannels);
    const { weights, bias } = headNames(layer);
    parameters.set(weights, {
      shape: [outputs, inputChannels, 1, 1],
      values: Float32Array.from({ length: outputs * inputChannels }, () =>
        random.between(-limit, limit),
      ),
    });
    parameters.set(bias, {
      shape: [outputs],
      values: Float32Array.from({ length: outputs }, (_, at) =>
        at % headDepth === 0 ? backgroundBias : 0,
      ),
    });
  });
  return parameters;
}
