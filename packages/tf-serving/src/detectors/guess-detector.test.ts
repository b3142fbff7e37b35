import { expect, test } from "vitest";
import { type DeclaredTensor, type DetectorClues, guessDetector } from "./guess-detector.ts";

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
