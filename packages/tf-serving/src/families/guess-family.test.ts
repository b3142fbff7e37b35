import { expect, test } from "vitest";
import { guessFamily } from "./guess-family.ts";

const head = Array.from({ length: 12 }, (_, index) => `out_${index}`);

test.each([
  { output: "classifier_1/resnet_v1_50/predictions/Softmax:0", family: "resnet-50" },
  { output: "classifier/resnet_v1_152/predictions/Softmax:0", family: "resnet-152" },
  { output: "classifier/densenet121/predictions/Softmax:0", family: "densenet-121" },
  { output: "classifier/vgg_16/fc8/squeezed:0", family: "vgg-16" },
  { output: "ssd_300_vgg/block4_box/Reshape:0", family: "ssd-vgg" },
])("$output gives $family away", ({ output, family }) => {
  expect(guessFamily({ modelName: "m", outputNames: [output], outputWidths: [1_000] })).toEqual({
    family,
    because: "graph",
  });
});

test.each([
  { modelName: "resnet50", width: 1_000, family: "resnet-50" },
  { modelName: "my-ResNet_152-prod", width: 1_001, family: "resnet-152" },
  { modelName: "resnet50", width: 2, family: undefined },
  { modelName: "cats", width: 1_000, family: undefined },
])(
  "a model called $modelName with $width scores is taken for $family",
  ({ modelName, width, family }) => {
    const guess = guessFamily({ modelName, outputNames: ["probabilities"], outputWidths: [width] });

    expect(guess?.family).toBe(family);
  },
);

test("twelve outputs by SSD-VGG's aliases are its head", () => {
  const clues = { modelName: "m", outputNames: head, outputWidths: head.map(() => undefined) };

  expect(guessFamily(clues)?.family).toBe("ssd-vgg");
});
