import type { Resize } from "@tensorgate/core";
import { expect, test } from "vitest";
import type { InputOptions } from "./input-options.ts";
import { modelFaults } from "./model-faults.ts";
import { releaseFromOptions } from "./release.ts";
import type { ModelOptions } from "./release-options.ts";

const scores = { holds: "probabilities" } as const;

test.each<{
  readonly options: Omit<ModelOptions, "name">;
  readonly path: string;
  readonly text: string;
}>([
  { options: { variant: "float" }, path: "variant", text: "variant requires family" },
  {
    options: { family: "ssd-vgg", variant: "float", input: { formats: ["png"] } },
    path: "input.kind",
    text: "requires kind: pixels",
  },
  { options: { input: {} }, path: "input.tensor", text: "required for a model without family" },
  {
    options: { input: { tensor: "x", kind: "pixels", heightPx: 5 } },
    path: "input.widthPx",
    text: "required for a model without family",
  },
  {
    options: {
      input: { tensor: "x", kind: "pixels", heightPx: 300, widthPx: 300, shorterSidePx: 256 },
    },
    path: "input.shorterSidePx",
    text: "must be at least 300, the longer side of the crop, got 256",
  },
  {
    options: { input: { tensor: "x", kind: "pixels", resize: "crop", heightPx: 8, widthPx: 8 } },
    path: "input.shorterSidePx",
    text: "required with resize: crop",
  },
  {
    options: { input: { tensor: "x", kind: "pixels", resize: "fit", heightPx: 8 } },
    path: "input.heightPx",
    text: "has no meaning with resize: fit",
  },
  {
    options: { input: { tensor: "x", resize: "letterbox", heightPx: 8 } },
    path: "input.widthPx",
    text: "required for a model without family",
  },
  {
    options: { input: { tensor: "x", padValue: 114 } },
    path: "input.padValue",
    text: "requires resize: letterbox",
  },
  {
    options: { input: { tensor: "x", longerSidePx: 800 } },
    path: "input.longerSidePx",
    text: "requires resize: fit",
  },
  {
    options: {
      input: {
        tensor: "x",
        kind: "pixels",
        resize: "letterbox",
        heightPx: 8,
        widthPx: 8,
        shorterSidePx: 8,
      },
    },
    path: "input.shorterSidePx",
    text: "has no meaning with resize: letterbox",
  },
  {
    options: { family: "resnet-50", output: { a: scores, b: { holds: "logits" } } },
    path: "output.b.holds",
    text: "two outputs hold class scores",
  },
  {
    options: { family: "resnet-50", output: { a: { holds: "boxes" } } },
    path: "output.a.holds",
    text: "has no boxes",
  },
  {
    options: { family: "ssd-vgg", output: { a: scores } },
    path: "output.a.holds",
    text: "has boxes, not class scores",
  },
  {
    options: { family: "ssd-vgg", output: { boxes: { holds: "boxes" } } },
    path: "output.boxes.holds",
    text: "out_0 to out_11",
  },
  {
    options: { input: { tensor: "x" }, output: { a: { holds: "boxes" } } },
    path: "output",
    text: "12 outputs with holds: boxes",
  },
  {
    options: { family: "resnet-50", labels: ["a", "b"], classCount: 3 },
    path: "labels",
    text: "2 labels are listed, but classCount is 3",
  },
  {
    options: { family: "resnet-50", labels: Array(999).fill("x") },
    path: "labels",
    text: "999 labels are listed, but resnet-50 has 1000 scores",
  },
  {
    options: { family: "ssd-vgg", labels: Array(21).fill("x") },
    path: "labels",
    text: "22 classes with the background exceed the 21",
  },
  {
    options: { input: { tensor: "x" }, output: { a: scores }, task: "embed" },
    path: "task",
    text: "requires an output that holds features",
  },
  { options: { cache: true, idempotent: false }, path: "cache", text: "not idempotent" },
  {
    options: { task: "classify", output: { a: scores } },
    path: "task",
    text: "requires a model that takes pictures",
  },
])("$path: $text", ({ options, path, text }) => {
  const faults = modelFaults({ name: "m", ...options });

  expect(faults.map((fault) => fault.path.join("."))).toEqual([path]);
  expect(faults[0]?.message).toContain(text);
});

test.each<Omit<ModelOptions, "name">>([
  { family: "resnet-50" },
  { family: "ssd-vgg", variant: "float" },
  { family: "resnet-50", labels: Array(1_001).fill("x") },
  { family: "ssd-vgg", output: { out_0: { holds: "boxes", tensor: "mine:0" } } },
  { family: "densenet-121", input: { kind: "pixels", tensor: "x" }, task: "embed" },
  { family: "vgg-16", classCount: 2, output: { mine: scores }, labels: ["a", "b"] },
])("%j has no fault", (options) => {
  expect(modelFaults({ name: "m", ...options })).toEqual([]);
});

test("the float SSD-VGG takes pixels of 300 × 300 under the graph's own name", () => {
  const { picture, wireNames } = releaseFromOptions({
    name: "ssd",
    family: "ssd-vgg",
    variant: "float",
  });

  expect(picture?.preprocessing?.resize).toEqual({ kind: "warp", heightPx: 300, widthPx: 300 });
  expect(wireNames["azure-fpga"].inputs.get("images")).toBe(
    "brainwave_ssd_vgg_1_Version_0.1_input_1:0",
  );
});

test.each<{ readonly input: InputOptions; readonly resize: Resize }>([
  {
    input: { tensor: "x", kind: "pixels", resize: "letterbox", heightPx: 640, widthPx: 480 },
    resize: {
      kind: "letterbox",
      heightPx: 640,
      widthPx: 480,
      padValue: 114,
      padding: "both-sides",
    },
  },
  {
    input: { tensor: "x", kind: "pixels", resize: "fit", shorterSidePx: 800 },
    resize: { kind: "fit", shorterPx: 800, longerPx: 1_333 },
  },
  {
    input: { tensor: "x", heightPx: 224, widthPx: 224, shorterSidePx: 256 },
    resize: { kind: "shorter-side", px: 256, crop: { heightPx: 224, widthPx: 224 } },
  },
  {
    input: { tensor: "x", heightPx: 300, widthPx: 300 },
    resize: { kind: "warp", heightPx: 300, widthPx: 300 },
  },
])("$input.resize of the input is resolved with its defaults", ({ input, resize }) => {
  const { picture } = releaseFromOptions({ name: "m", input });

  expect(picture?.resize).toEqual(resize);
});

test("DenseNet-121 by pixels is scaled as its graph does, BGR where that is said", () => {
  const { picture } = releaseFromOptions({
    name: "densenet",
    family: "densenet-121",
    input: { kind: "pixels", channelOrder: "bgr" },
  });

  expect(picture?.preprocessing).toMatchObject({
    scale: 0.017,
    channelOrder: "bgr",
    coordinates: "tensorflow-1",
    resize: { kind: "shorter-side", px: 256 },
  });
});

test("a family's labels are of no use to another number of classes", () => {
  const { labels } = releaseFromOptions({ name: "m", family: "resnet-50", classCount: 7 });

  expect(labels).toEqual([]);
});

test("an override says what it says, and leaves the rest to the family", () => {
  const { wireNames, outputs, classScores } = releaseFromOptions({
    name: "m",
    family: "resnet-50",
    output: { scores: { tensor: { "azure-fpga": "mine:0" }, holds: "probabilities" } },
  });

  expect(outputs.map(({ name }) => name)).toEqual(["features", "scores"]);
  expect(classScores?.tensor).toBe("scores");
  expect(wireNames["azure-fpga"].outputs.get("scores")).toBe("mine:0");
  expect(wireNames["azure-fpga-preview"].outputs.get("scores")).toBe("scores");
  expect(wireNames["tensorflow-serving"].outputs.get("scores")).toBe("scores");
});
