import { pooledClassifier } from "./classifier-head.ts";
import type { ConvolutionOptions, NetworkBuilder, Plane } from "./network-builder.ts";

/** Units of each of the four blocks. */
export type UnitCounts = readonly [number, number, number, number];

/**
 * A residual network with bottlenecks, of which the last unit of each of the first three blocks halves the size.
 *
 * @see He et al. 2016, table 1; the placing of strides is that of TF-slim's resnet_v1
 */
export function resnet(network: NetworkBuilder, unitCounts: UnitCounts): void {
  const root = normalised(network, network.input(224, 1 / 64), {
    name: "resnet/conv1",
    channels: 64,
    kernelPx: 7,
    stride: 2,
  });
  let value = network.maxPool(network.relu(root), {
    kernelPx: 3,
    stride: 2,
    paddingPx: [0, 1],
  });
  // Every unit adds to the sum of both ways; the more there are the less each may add.
  const scale = 2 / Math.sqrt(unitCounts.reduce((sum, unitCount) => sum + unitCount, 0));
  unitCounts.forEach((unitCount, block) => {
    const channels = 64 * 2 ** block;
    for (let unit = 1; unit <= unitCount; unit += 1) {
      const stride = unit === unitCount && block < 3 ? 2 : 1;
      const name = `resnet/block${block + 1}/unit_${unit}`;
      value = bottleneck(network, value, { name, channels, stride, scale });
    }
  });
  pooledClassifier(network, value, "resnet/logits");
}

interface UnitOptions {
  readonly name: string;
  /** Inside; four times as many come out. */
  readonly channels: number;
  readonly stride: number;
  /** Deviation of what is added to the shortcut. */
  readonly scale: number;
}

function bottleneck(
  network: NetworkBuilder,
  input: Plane,
  { name, channels, stride, scale }: UnitOptions,
): Plane {
  const outChannels = channels * 4;
  const narrow = normalised(network, input, { name: `${name}/conv1`, channels, kernelPx: 1 });
  const middle = normalised(network, network.relu(narrow), {
    name: `${name}/conv2`,
    channels,
    kernelPx: 3,
    stride,
  });
  const wide = normalised(network, network.relu(middle), {
    name: `${name}/conv3`,
    channels: outChannels,
    kernelPx: 1,
    scale,
  });
  const way = shortcut(network, input, { name, channels: outChannels, stride });
  const sum = network.graph.op("Add", [way.name, wide.name]);
  return network.relu({ ...wide, name: sum });
}

function shortcut(
  network: NetworkBuilder,
  input: Plane,
  { name, channels, stride }: Omit<UnitOptions, "scale">,
): Plane {
  if (input.channels === channels) {
    return stride === 1 ? input : network.maxPool(input, { kernelPx: 1, stride });
  }
  const options = { name: `${name}/shortcut`, channels, kernelPx: 1, stride };
  return normalised(network, input, { ...options, scale: Math.SQRT1_2 });
}

interface NormalisedOptions extends ConvolutionOptions {
  /** Deviation of what comes out. @default 1 */
  readonly scale?: number;
}

function normalised(network: NetworkBuilder, input: Plane, options: NormalisedOptions): Plane {
  const { name, scale = 1 } = options;
  return network.normalisation(network.convolution(input, options), name, scale);
}
