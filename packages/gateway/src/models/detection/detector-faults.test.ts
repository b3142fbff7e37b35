import { expect, test } from "vitest";
import { modelFaults } from "../model-faults.ts";
import { releaseFromOptions } from "../release.ts";
import type { ModelOptions } from "../release-options.ts";

const input = { tensor: "images", kind: "pixels", heightPx: 640, widthPx: 640 } as const;
const boxes = { output: "dets" };
const score = { at: 4 };

test.each<{
  readonly options: Omit<ModelOptions, "name">;
  readonly path: string;
  readonly text: string;
}>([
  {
    options: { family: "ssd-vgg", detector: { preset: "yolo" } },
    path: "detector",
    text: "excludes family: ssd-vgg",
  },
  {
    options: { input, detector: { score: { output: "dets" } } },
    path: "detector.boxes",
    text: "required without preset",
  },
  { options: { input, detector: { boxes } }, path: "detector.score", text: "required: the score" },
  {
    options: { input, detector: { boxes, score, classScores: score } },
    path: "detector.score",
    text: "excludes classScores",
  },
  {
    options: { input, detector: { boxes, classScores: score, class: score } },
    path: "detector.class",
    text: "requires score",
  },
  {
    options: { input, detector: { boxes, score, objectness: score } },
    path: "detector.objectness",
    text: "requires classScores",
  },
  {
    options: { input, detector: { boxes, score, activation: "softmax" } },
    path: "detector.activation",
    text: "softmax requires classScores",
  },
  {
    options: { input, detector: { boxes, score, background: "last" } },
    path: "detector.background",
    text: "last requires classScores",
  },
  {
    options: { input, detector: { preset: "yolo", count: { output: "n" } } },
    path: "detector.count",
    text: "requires layout: boxes-first",
  },
  {
    options: { input: { tensor: "images" }, detector: { preset: "yolo" } },
    path: "input",
    text: "boxes in pixels of the input require its size",
  },
  {
    options: { input, detector: { boxes, score, boxUnits: "source-pixels" } },
    path: "detector.boxUnits",
    text: "source-pixels requires an encoded picture",
  },
  {
    options: { detector: { preset: "yolo" }, task: "detect" },
    path: "task",
    text: "describe its input",
  },
  {
    options: { input, output: { a: { holds: "boxes" } } },
    path: "output",
    text: "set detector, or list",
  },
])("$path: $text", ({ options, path, text }) => {
  const faults = modelFaults({ name: "m", ...options });

  expect(faults.map((fault) => ({ ...fault, path: fault.path.join(".") }))).toContainEqual({
    path,
    message: expect.stringContaining(text),
  });
});

test.each<Omit<ModelOptions, "name">>([
  { input, detector: { preset: "yolo" }, task: "detect", labels: "coco" },
  { input: { tensor: "images" }, detector: { preset: "tf-object-detection" } },
  { input: { tensor: "images", resize: "fit" }, detector: { preset: "torchvision" } },
  { input: { tensor: "images", kind: "pixels" }, detector: { preset: "detr" } },
  {
    input,
    detector: { preset: "torchvision" },
    output: { boxes: { tensor: "b:0", holds: "boxes" } },
  },
  { input, detector: { boxes, score, class: { output: "labels" }, nms: "none" } },
])("%j has no fault", (options) => {
  expect(modelFaults({ name: "m", ...options })).toEqual([]);
});

test("a preset says what is left out of pixels, thresholds and outputs", () => {
  const { picture, detection, outputs, tasks } = releaseFromOptions({
    name: "m",
    input: { ...input, layout: "nchw" as const },
    detector: { preset: "yolo" },
    detection: { minScore: 0.4 },
  });

  expect(picture?.preprocessing).toMatchObject({
    resize: { kind: "letterbox", padValue: 114, padding: "both-sides" },
    scale: 1 / 255,
    layout: "nchw",
  });
  expect(detection).toMatchObject({ minScore: 0.4, iouThreshold: 0.7 });
  expect(outputs).toEqual([{ name: "output0", holds: "boxes" }]);
  expect(tasks).toEqual(["detect", "predict"]);
});

test("an input of a given size is not fitted to the picture", () => {
  const detector = { preset: "torchvision" } as const;
  const { picture } = releaseFromOptions({ name: "m", input, detector });

  expect(picture?.resize).toEqual({ kind: "warp", heightPx: 640, widthPx: 640 });
});

test("only the outputs that are read are asked for where their names are known", () => {
  const filterOf = (detector: NonNullable<ModelOptions["detector"]>) => {
    const release = releaseFromOptions({ name: "m", input, detector });
    return release.detector?.kind === "format" ? release.detector.filter : undefined;
  };

  expect(filterOf({ preset: "tf-object-detection" })).toEqual([
    "detection_boxes",
    "detection_scores",
    "detection_classes",
    "num_detections",
  ]);
  expect(filterOf({ preset: "yolo" })).toEqual([]);
  expect(filterOf({ preset: "yolo", boxes: { output: "output" } })).toEqual(["output"]);
});

test("a detector's labels begin with the background only where its classes do", () => {
  const labelsOf = (preset: "torchvision" | "yolo") =>
    releaseFromOptions({ name: "m", input, detector: { preset }, labels: ["cat"] }).labels;

  expect(labelsOf("torchvision")).toEqual(["background", "cat"]);
  expect(labelsOf("yolo")).toEqual(["cat"]);
});
