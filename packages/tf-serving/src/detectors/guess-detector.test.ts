import { float32Tensor } from "@tensorgate/core";
import { expect, test } from "vitest";
import type { DeclaredTensor, DetectorClues } from "./detector-guess.ts";
import { guessDetector } from "./guess-detector.ts";

const floats = (name: string, shape: readonly number[]): DeclaredTensor => ({
  name,
  dtype: "FP32",
  shape,
});
const integers = (name: string, shape: readonly number[]): DeclaredTensor => ({
  name,
  dtype: "INT32",
  shape,
});
const inputSize = { heightPx: 640, widthPx: 640 };

test.each<{
  readonly what: string;
  readonly outputs: readonly DeclaredTensor[];
  readonly size?: DetectorClues["inputSize"];
  readonly guess: object | undefined;
}>([
  {
    what: "YOLO v8 of COCO",
    outputs: [floats("output0", [1, 84, 8_400])],
    guess: { detector: { preset: "yolo", boxes: { output: "output0" } }, labels: "coco" },
  },
  {
    what: "YOLO v8 of an input that is not square",
    outputs: [floats("y", [1, 6, 5_040])],
    size: { heightPx: 384, widthPx: 640 },
    guess: { detector: { preset: "yolo", boxes: { output: "y" } } },
  },
  {
    what: "YOLO v8 with masks",
    outputs: [floats("output0", [1, 116, 8_400]), floats("output1", [1, 32, 160, 160])],
    guess: { preset: "yolo", classCount: 80, labels: "coco" },
  },
  {
    what: "YOLO v8 with its axes exchanged",
    outputs: [floats("output0", [1, 8_400, 84])],
    guess: { detector: { preset: "yolo", boxes: { output: "output0" }, layout: "boxes-first" } },
  },
  {
    what: "YOLO v5",
    outputs: [floats("output", [-1, 25_200, 85])],
    guess: { detector: { preset: "yolov5", boxes: { output: "output" } }, labels: "coco" },
  },
  { what: "YOLO v6", outputs: [floats("outputs", [1, 8_400, 85])], guess: { preset: "yolov5" } },
  {
    what: "YOLO v10",
    outputs: [floats("output0", [1, 300, 6])],
    guess: { detector: { preset: "yolo-end-to-end", boxes: { output: "output0" } } },
  },
  {
    what: "EfficientDet",
    outputs: [floats("detections", [-1, 100, 7])],
    guess: { preset: "efficientdet" },
  },
  {
    what: "torchvision",
    outputs: [floats("boxes", [-1, 4]), integers("labels", [-1]), floats("scores", [-1])],
    guess: { detector: { preset: "torchvision" } },
  },
  {
    what: "RetinaNet of Keras",
    outputs: [
      floats("boxes", [1, 300, 4]),
      integers("labels", [1, 300]),
      floats("scores", [1, 300]),
    ],
    guess: { detector: { preset: "retinanet" } },
  },
  {
    what: "TensorFlow's API, whatever else it gives",
    outputs: [
      ...["detection_boxes", "detection_scores", "detection_classes"].map((name) =>
        floats(name, [1]),
      ),
      floats("num_detections", [1]),
      floats("raw_detection_boxes", [1, 1_917, 4]),
    ],
    guess: { detector: { preset: "tf-object-detection" } },
  },
  {
    what: "EfficientNMS under the names of TensorFlow",
    outputs: [
      floats("detection_boxes", [1, 100, 4]),
      floats("detection_scores", [1, 100]),
      integers("detection_classes", [1, 100]),
      integers("num_detections", [1, 1]),
    ],
    guess: { preset: "efficient-nms", detector: { boxes: { output: "detection_boxes" } } },
  },
  {
    what: "EfficientNMS",
    outputs: ["num_dets", "det_boxes", "det_scores", "det_classes"].map((name) =>
      floats(name, [1]),
    ),
    guess: { detector: { preset: "efficient-nms" } },
  },
  {
    what: "DETR",
    outputs: [floats("logits", [1, 100, 92]), floats("pred_boxes", [1, 100, 4])],
    guess: { detector: { preset: "detr" }, labels: "coco-by-number" },
  },
  {
    what: "RT-DETR",
    outputs: [floats("pred_logits", [1, 300, 80]), floats("pred_boxes", [1, 300, 4])],
    guess: {
      detector: { preset: "rt-detr", classScores: { output: "pred_logits" } },
      labels: "coco",
    },
  },
  {
    what: "RT-DETR of Ultralytics",
    outputs: [floats("output0", [1, 300, 84])],
    guess: {
      detector: {
        preset: "rt-detr",
        boxes: { output: "output0" },
        classScores: { output: "output0", at: 4 },
        activation: "none",
      },
      labels: "coco",
    },
  },
  {
    what: "YOLO v7 with NMS in the graph",
    outputs: [floats("output", [12, 7])],
    guess: {
      detector: {
        preset: "yolo-end-to-end",
        boxes: { output: "output", at: 1 },
        class: { at: 5 },
        score: { at: 6 },
      },
    },
  },
  {
    what: "YOLO v9 with both of its heads",
    outputs: [floats("output0", [1, 84, 8_400]), floats("output1", [1, 84, 8_400])],
    guess: { detector: { preset: "yolo", boxes: { output: "output0" } } },
  },
  {
    what: "torchvision without names",
    outputs: [floats("3161", [5, 4]), integers("3164", [5]), floats("3163", [5])],
    guess: {
      detector: {
        preset: "torchvision",
        boxes: { output: "3161" },
        class: { output: "3164" },
        score: { output: "3163" },
      },
    },
  },
  {
    what: "RetinaNet of Keras as TensorFlow names it",
    outputs: [
      floats("filtered_detections", [-1, 300, 4]),
      floats("filtered_detections_1", [-1, 300]),
      integers("filtered_detections_2", [-1, 300]),
    ],
    guess: {
      detector: {
        preset: "retinanet",
        boxes: { output: "filtered_detections" },
        score: { output: "filtered_detections_1" },
        class: { output: "filtered_detections_2" },
      },
    },
  },
  {
    what: "boxes, floats as classes, and scores",
    outputs: [
      floats("boxes_1", [1, 10, 4]),
      floats("classes_1", [1, 10]),
      floats("scores_1", [1, 10]),
    ],
    guess: { preset: "retinanet", detector: { class: { output: "classes_1" } } },
  },
  {
    what: "a YOLO with TensorRT's NMS under other names",
    outputs: [
      integers("n", [1, 1]),
      floats("bboxes", [1, 100, 4]),
      floats("scores", [1, 100]),
      integers("labels", [1, 100]),
    ],
    guess: { preset: "efficient-nms", detector: { count: { output: "n" } } },
  },
  {
    what: "TensorFlow's API, converted to ONNX",
    outputs: [
      "detection_boxes:0",
      "detection_scores:0",
      "detection_classes:0",
      "num_detections:0",
    ].map((name) => floats(name, [1])),
    guess: {
      detector: {
        preset: "tf-object-detection",
        boxes: { output: "detection_boxes:0" },
        score: { output: "detection_scores:0" },
        class: { output: "detection_classes:0" },
        count: { output: "num_detections:0" },
      },
    },
  },
  {
    what: "a classifier of scikit-learn",
    outputs: [integers("label", [1]), floats("probabilities", [1, 4])],
    guess: undefined,
  },
  {
    what: "four features beside a class",
    outputs: [floats("f", [1, 4]), integers("label", [1])],
    guess: undefined,
  },
  { what: "a classifier", outputs: [floats("scores", [1, 1_000])], guess: undefined },
  { what: "tokens of a transformer", outputs: [floats("h", [1, 197, 768])], guess: undefined },
  { what: "a sentence", outputs: [floats("h", [1, 512, 1_024])], guess: undefined },
  { what: "a map", outputs: [floats("map", [1, 21, 65, 65])], guess: undefined },
])(
  "$what is recognized, or is not taken for a detector",
  ({ outputs, size = inputSize, guess }) => {
    const found = guessDetector({ inputSize: size, outputs });

    if (guess) expect(found).toMatchObject(guess);
    else expect(found).toBeUndefined();
  },
);

test.each([
  { boxes: 8_400, sidePx: 640 },
  { boxes: 3_549, sidePx: 416 },
  { boxes: 33_600, sidePx: 1_280 },
])("$boxes boxes are those of a square of $sidePx pixels", ({ boxes, sidePx }) => {
  const outputs = [floats("output0", [1, 84, boxes])];

  expect(guessDetector({ inputSize: undefined, outputs })?.sidePx).toBe(sidePx);
});

test("what shapes do not prove is doubted", () => {
  const outputs = [floats("output0", [1, 25_200, 8])];

  expect(guessDetector({ inputSize, outputs })?.doubts).toEqual([
    "the fifth value of a box is assumed to be objectness",
    "no labels for 3 classes; add labels: ./labels.txt, one label per line",
  ]);
});

test.each([
  { what: "pixels", largest: 633, layout: "values-first", units: undefined },
  { what: "fractions", largest: 1.02, layout: "values-first", units: "fractions" },
  { what: "fractions", largest: 0.98, layout: "boxes-first", units: "fractions" },
  { what: "pixels", largest: 12, layout: "boxes-first", units: undefined },
  { what: "nothing, without a box", largest: 0, layout: "values-first", units: undefined },
])("boxes of up to $largest ($layout) are taken for $what", ({ largest, layout, units }) => {
  const shape = layout === "values-first" ? [1, 84, 8_400] : [1, 8_400, 84];
  const values = new Float32Array(84 * 8_400);
  // The third value of the last box, and a score that is no coordinate.
  values[layout === "values-first" ? 3 * 8_400 - 1 : 8_399 * 84 + 2] = largest;
  values[layout === "values-first" ? 5 * 8_400 : 5] = 99;
  const outputs = [{ ...floats("output0", shape), seen: float32Tensor(shape, values) }];

  const { detector, doubts } = guessDetector({ inputSize, outputs }) ?? {};

  expect(detector?.boxUnits).toBe(units);
  expect(doubts?.some((each) => each.includes("taken for fractions"))).toBe(units === "fractions");
});
