import type { FamilyName } from "@tensorgate/tf-serving";
import { densenet121 } from "./densenet.ts";
import { createNetworkBuilder, type NetworkBuilder } from "./network-builder.ts";
import { resnet } from "./resnet.ts";
import { ssdVgg } from "./ssd-vgg.ts";
import { vgg16 } from "./vgg.ts";
import type { WeightSink } from "./weight-file.ts";

const topologies: Readonly<Record<FamilyName, (network: NetworkBuilder) => void>> = {
  "resnet-50": (network) => resnet(network, [3, 4, 6, 3]),
  "resnet-152": (network) => resnet(network, [3, 8, 36, 3]),
  "densenet-121": densenet121,
  "vgg-16": vgg16,
  "ssd-vgg": ssdVgg,
};

/** The ONNX graph of a family, with its weights in a file beside it. */
export function familyGraph(family: FamilyName, sink: WeightSink): Uint8Array {
  const network = createNetworkBuilder(family, sink);
  topologies[family](network);
  return network.graph.finish({ weights: "seeded" });
}
