import type { NetworkBuilder, Plane } from "./network-builder.ts";
import { vggBlock } from "./vgg.ts";

/** Classes of Pascal VOC, the background among them. */
const classCount = 21;

/** What the L2 norm of the finest layer's features is brought to. */
const finestNorm = 20;

/** The layers after the network proper, each half the size of the last or less. */
const extraLayers = [
  { block: 8, narrow: 256, channels: 512, stride: 2, paddingPx: 1, anchors: 6 },
  { block: 9, narrow: 128, channels: 256, stride: 2, paddingPx: 1, anchors: 6 },
  { block: 10, narrow: 128, channels: 256, stride: 1, paddingPx: 0, anchors: 4 },
  { block: 11, narrow: 128, channels: 256, stride: 1, paddingPx: 0, anchors: 4 },
] as const;

interface Layer {
  readonly features: Plane;
  readonly anchors: number;
}

/**
 * SSD-300 on VGG-16, with grids of 37, 19, 10, 5, 3 and 1 cells: `out_0` to `out_5` are class logits
 * `[N, cells, cells, anchors, 21]`, `out_6` to `out_11` box offsets `[N, cells, cells, anchors, 4]`.
 *
 * @see Liu et al. 2016, figure 2
 */
export function ssdVgg(network: NetworkBuilder): void {
  const scope = "ssd_300_vgg";
  const layers: Layer[] = [];
  let value = network.input(300, 1 / 64);
  for (const block of [0, 1, 2]) {
    value = vggBlock(network, value, { scope, block });
    value = network.maxPool(value, { kernelPx: 2, stride: 2 });
  }
  const finest = vggBlock(network, value, { scope, block: 3 });
  layers.push({ features: unitLength(network, finest), anchors: 4 });
  // 37 cells become 19: one more than without padding.
  value = network.maxPool(finest, { kernelPx: 2, stride: 2, paddingPx: [0, 1] });
  value = vggBlock(network, value, { scope, block: 4 });
  value = network.maxPool(value, { kernelPx: 3, stride: 1, paddingPx: [1, 1] });

  const convolved = (input: Plane, options: Parameters<typeof network.convolution>[1]) =>
    network.relu(network.convolution(input, { ...options, hasBias: true }));
  value = convolved(value, {
    name: `${scope}/conv6`,
    channels: 1_024,
    kernelPx: 3,
    dilation: 6,
  });
  value = convolved(value, { name: `${scope}/conv7`, channels: 1_024, kernelPx: 1 });
  layers.push({ features: value, anchors: 6 });

  for (const { block, narrow, channels, stride, paddingPx, anchors } of extraLayers) {
    const name = `${scope}/block${block}`;
    value = convolved(value, { name: `${name}/conv1x1`, channels: narrow, kernelPx: 1 });
    value = convolved(value, {
      name: `${name}/conv3x3`,
      channels,
      kernelPx: 3,
      stride,
      paddingPx,
    });
    layers.push({ features: value, anchors });
  }
  layers.forEach((layer, index) => {
    predictions(network, layer, { name: `out_${index}`, depth: classCount });
    predictions(network, layer, { name: `out_${index + layers.length}`, depth: 4 });
  });
}

/** Brings the features of each cell to one length over all channels. */
function unitLength(network: NetworkBuilder, input: Plane): Plane {
  const { graph } = network;
  const normalised = graph.op("LpNormalization", [input.name], { axis: 1, p: 2 });
  const gamma = network.weights("ssd_300_vgg/block4_box/gamma", [1, input.channels, 1, 1], {
    kind: "constant",
    value: finestNorm,
  });
  return { ...input, name: graph.op("Mul", [normalised, gamma]) };
}

function predictions(
  network: NetworkBuilder,
  { features, anchors }: Layer,
  { name, depth }: { readonly name: string; readonly depth: number },
): void {
  const { graph } = network;
  const made = network.convolution(features, {
    name: `ssd_300_vgg/${name}`,
    channels: anchors * depth,
    kernelPx: 3,
    hasBias: true,
  });
  const cells = graph.op("Transpose", [made.name], { perm: [0, 2, 3, 1] });
  const shape = graph.integers([0, made.sidePx, made.sidePx, anchors, depth]);
  graph.op("Reshape", [cells, shape], {}, name);
  graph.output(name, ["N", made.sidePx, made.sidePx, anchors, depth]);
}
