import type { OutputHolds, Preprocessing } from "@tensorgate/core";
import { aliasNames } from "../dialects/tensor-names.ts";
import type { Family, FamilyName, FamilyOutput } from "./family.ts";
import { imagenetLabels } from "./imagenet-labels.ts";
import { vocLabels } from "./voc-labels.ts";

/** What the graphs of ResNet and VGG-16 do to a picture. The means are those of the pictures they were trained on. */
export const classifierPreprocessing: Preprocessing = {
  resize: { kind: "shorter-side", px: 256, crop: { heightPx: 224, widthPx: 224 } },
  coordinates: "tensorflow-1",
  channelOrder: "rgb",
  mean: [123.68, 116.779, 103.939],
  scale: 1,
};

/** What the graph of DenseNet-121 does to a picture. */
export const densenetPreprocessing: Preprocessing = { ...classifierPreprocessing, scale: 0.017 };

/** What the graph of SSD-VGG does to a picture. */
export const ssdPreprocessing: Preprocessing = {
  ...classifierPreprocessing,
  resize: { kind: "warp", heightPx: 300, widthPx: 300 },
};

const encodedInput = aliasNames("images", { alias: "images", raw: "Placeholder:0" });

/** TensorFlow renames a scope that exists already, so that the classifier may be in `classifier_1/`. */
const classifierScope = /^classifier(_\d+)?\//;

interface ClassifierInfo {
  readonly title: string;
  /** Name in the graph, as the samples have it. */
  readonly raw: string;
  readonly holds: Extract<OutputHolds, "probabilities" | "logits">;
  readonly featureCount: number;
  readonly preprocessing?: Preprocessing;
}

function classifier(
  name: FamilyName,
  { title, raw, holds, featureCount, preprocessing = classifierPreprocessing }: ClassifierInfo,
): Family {
  return {
    name,
    title,
    task: "classify",
    input: encodedInput,
    pixelInput: encodedInput,
    pixelVariants: [],
    preprocessing,
    outputs: [
      {
        ...aliasNames("output_alias", { alias: "output_alias", raw }),
        pattern: classifierScope,
        holds,
        shape: [-1, imagenetLabels.length],
      },
      {
        ...aliasNames("features", {
          alias: "features",
          raw: "brainwave_target_node_1_Version_0.1:0",
        }),
        holds: "features",
        shape: [-1, 1, 1, featureCount],
      },
    ],
    labels: imagenetLabels,
  };
}

/** The layers that SSD-VGG looks for objects on, finest first, with their grids and anchors. */
const ssdLayers = [
  { block: "block4", cells: 37, anchors: 4 },
  { block: "block7", cells: 19, anchors: 6 },
  { block: "block8", cells: 10, anchors: 6 },
  { block: "block9", cells: 5, anchors: 6 },
  { block: "block10", cells: 3, anchors: 4 },
  { block: "block11", cells: 1, anchors: 4 },
] as const;

/** Class logits of every layer, then box offsets of every layer. */
const ssdOutputs: readonly FamilyOutput[] = [
  { tensor: "Reshape_1:0", width: vocLabels.length },
  { tensor: "Reshape:0", width: 4 },
].flatMap(({ tensor, width }, half) =>
  ssdLayers.map(({ block, cells, anchors }, layer) => {
    const alias = `out_${half * ssdLayers.length + layer}`;
    return {
      ...aliasNames(alias, { alias, raw: `ssd_300_vgg/${block}_box/${tensor}` }),
      holds: "boxes" as const,
      shape: [-1, cells, cells, anchors, width],
    };
  }),
);

const all: readonly Family[] = [
  classifier("resnet-50", {
    title: "ResNet-50",
    raw: "classifier_1/resnet_v1_50/predictions/Softmax:0",
    holds: "probabilities",
    featureCount: 2_048,
  }),
  classifier("resnet-152", {
    title: "ResNet-152",
    raw: "classifier/resnet_v1_152/predictions/Softmax:0",
    holds: "probabilities",
    featureCount: 2_048,
  }),
  classifier("densenet-121", {
    title: "DenseNet-121",
    raw: "classifier/densenet121/predictions/Softmax:0",
    holds: "probabilities",
    featureCount: 1_024,
    preprocessing: densenetPreprocessing,
  }),
  classifier("vgg-16", {
    title: "VGG-16",
    raw: "classifier/vgg_16/fc8/squeezed:0",
    holds: "logits",
    featureCount: 4_096,
  }),
  {
    name: "ssd-vgg",
    title: "SSD-VGG",
    task: "detect",
    input: encodedInput,
    pixelInput: aliasNames("images", {
      alias: "images",
      raw: "brainwave_ssd_vgg_1_Version_0.1_input_1:0",
    }),
    pixelVariants: ["float"],
    preprocessing: ssdPreprocessing,
    outputs: ssdOutputs,
    labels: vocLabels,
  },
];

/** The five families by name. */
export const families: ReadonlyMap<string, Family> = new Map(
  all.map((family) => [family.name, family]),
);
