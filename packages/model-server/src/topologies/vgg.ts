import { showFeatures, showLogits } from "./classifier-head.ts";
import type { NetworkBuilder, Plane } from "./network-builder.ts";

/** Convolutions of each block, and their channels. */
export const vggBlocks = [
  { convolutions: 2, channels: 64 },
  { convolutions: 2, channels: 128 },
  { convolutions: 3, channels: 256 },
  { convolutions: 3, channels: 512 },
  { convolutions: 3, channels: 512 },
] as const;

/** The convolutions of one block, counted from 0, without the pooling after it. */
export function vggBlock(
  network: NetworkBuilder,
  input: Plane,
  { scope, block }: { readonly scope: string; readonly block: number },
): Plane {
  const { convolutions, channels } = vggBlocks[block] ?? { convolutions: 0, channels: 0 };
  let value = input;
  for (let index = 1; index <= convolutions; index += 1) {
    const name = `${scope}/conv${block + 1}/conv${block + 1}_${index}`;
    value = network.relu(
      network.convolution(value, { name, channels, kernelPx: 3, hasBias: true }),
    );
  }
  return value;
}

/** Fully connected layers are convolutions over all that is there. @see Simonyan and Zisserman 2015, table 1, D */
export function vgg16(network: NetworkBuilder): void {
  let value = network.input(224, 1 / 64);
  for (const block of vggBlocks.keys()) {
    value = vggBlock(network, value, { scope: "vgg_16", block });
    value = network.maxPool(value, { kernelPx: 2, stride: 2 });
  }
  const full = { hasBias: true, paddingPx: 0 };
  const fc6 = network.relu(
    network.convolution(value, { name: "vgg_16/fc6", channels: 4_096, kernelPx: 7, ...full }),
  );
  const fc7 = network.relu(
    network.convolution(fc6, { name: "vgg_16/fc7", channels: 4_096, kernelPx: 1, ...full }),
  );
  showFeatures(network, fc7.name, fc7.channels);
  const fc8 = { name: "vgg_16/fc8", channels: 1_000, kernelPx: 1, gain: Math.SQRT1_2 };
  showLogits(network, network.convolution(fc7, { ...fc8, ...full }));
}
