import { pooledClassifier } from "./classifier-head.ts";
import type { NetworkBuilder, Plane } from "./network-builder.ts";

/** Channels that every layer adds. */
const growth = 32;

/** Layers of each of the four blocks of DenseNet-121. */
const layerCounts = [6, 12, 24, 16] as const;

/** @see Huang et al. 2017, table 1 */
export function densenet121(network: NetworkBuilder): void {
  // The preprocessing of this family brings pixels to a deviation of about 1 already.
  const root = network.convolution(network.input(224, 1), {
    name: "densenet/conv1",
    channels: 64,
    kernelPx: 7,
    stride: 2,
  });
  let value = network.maxPool(active(network, root, "densenet/conv1"), {
    kernelPx: 3,
    stride: 2,
    paddingPx: [1, 1],
  });
  layerCounts.forEach((layerCount, block) => {
    for (let layer = 1; layer <= layerCount; layer += 1) {
      value = denseLayer(network, value, `densenet/block${block + 1}/layer${layer}`);
    }
    if (block < layerCounts.length - 1) {
      value = transition(network, value, `densenet/transition${block + 1}`);
    }
  });
  pooledClassifier(network, active(network, value, "densenet/final"), "densenet/logits");
}

function active(network: NetworkBuilder, input: Plane, name: string): Plane {
  return network.relu(network.normalisation(input, name));
}

/** What comes in, and what is made of it beside. */
function denseLayer(network: NetworkBuilder, input: Plane, name: string): Plane {
  const narrow = network.convolution(active(network, input, `${name}/x1`), {
    name: `${name}/x1`,
    channels: 4 * growth,
    kernelPx: 1,
  });
  const made = network.convolution(active(network, narrow, `${name}/x2`), {
    name: `${name}/x2`,
    channels: growth,
    kernelPx: 3,
  });
  const joined = network.graph.op("Concat", [input.name, made.name], { axis: 1 });
  return { ...input, name: joined, channels: input.channels + growth };
}

/** Halves channels and size. */
function transition(network: NetworkBuilder, input: Plane, name: string): Plane {
  const narrow = network.convolution(active(network, input, name), {
    name,
    channels: input.channels / 2,
    kernelPx: 1,
  });
  const pooled = network.graph.op("AveragePool", [narrow.name], {
    kernel_shape: [2, 2],
    strides: [2, 2],
  });
  return { ...narrow, name: pooled, sidePx: narrow.sidePx / 2 };
}
