import { float32Tensor, type Tensor, UpstreamFailedError } from "@tensorgate/core";
import { type DetectorOptions, detectorFormat } from "@tensorgate/tf-serving";
import { expect, test } from "vitest";
import { boxTable } from "./box-table.ts";
import { decodedBoxes } from "./decode-boxes.ts";

/** Class, score, left, top, right and bottom in pixels of a picture of 640 × 640, rounded. */
function decoded(
  detector: DetectorOptions,
  outputs: Readonly<Record<string, Tensor>>,
  minScore = 0.25,
) {
  const { boxes, ...rest } = detectorFormat(detector);
  if (!boxes) throw new RangeError("the format has no boxes");
  const format = { ...rest, boxes };
  const table = boxTable(format, new Map(Object.entries(outputs)));
  const size = { heightPx: 640, widthPx: 640 };
  const selection = { minScore, iouThreshold: 0.5, maxCandidates: 400, maxDetections: 100 };
  const found = decodedBoxes(table, { format, resize: undefined, size, ...selection });
  return found.map(({ classIndex, score, edges: { left, top, right, bottom } }) =>
    [classIndex, score, left * 640, top * 640, right * 640, bottom * 640].map(
      (value) => Math.round(value * 1_000) / 1_000,
    ),
  );
}

const tensor = (shape: readonly number[], values: readonly number[]) =>
  float32Tensor(shape, Float32Array.from(values));
const int64 = (...values: readonly number[]) =>
  new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
const int32 = (...values: readonly number[]) => new Uint8Array(Int32Array.from(values).buffer);

test("YOLO v8: values first, one box suppressed and one of another class kept", () => {
  // Four boxes; columns are boxes, rows their values: center x, center y, width, height, two scores.
  const output0 = tensor(
    [1, 6, 4],
    [
      ...[100, 102, 100, 400],
      ...[100, 100, 100, 300],
      ...[50, 50, 50, 20],
      ...[40, 40, 40, 10],
      ...[0.9, 0.8, 0.1, 0.1],
      ...[0.05, 0.1, 0.7, 0.2],
    ],
  );

  expect(decoded({ preset: "yolo" }, { output0 })).toEqual([
    [0, 0.9, 75, 80, 125, 120],
    [1, 0.7, 75, 80, 125, 120],
  ]);
});

test("class-agnostic suppression compares boxes of all classes", () => {
  const output0 = tensor([1, 6, 2], [10, 10, 10, 10, 4, 4, 4, 4, 0.9, 0.1, 0.1, 0.8]);
  const detector = { preset: "yolo", nms: "class-agnostic" } as const;

  expect(decoded(detector, { output0 })).toHaveLength(1);
});

test("YOLO v5: objectness multiplies the scores of the classes", () => {
  const output = tensor(
    [1, 2, 7],
    [...[50, 60, 20, 10, 0.5, 0.2, 0.9], ...[9, 9, 2, 2, 0.2, 1, 1]],
  );

  expect(decoded({ preset: "yolov5" }, { output })).toEqual([[1, 0.45, 40, 55, 60, 65]]);
});

test("torchvision: no batch axis, classes from 1, pixels of the input", () => {
  const outputs = {
    boxes: tensor([2, 4], [10, 20, 30, 40, 0, 0, 5, 5]),
    labels: { dtype: "INT64", shape: [2], data: int64(17, 0) } as const,
    scores: tensor([2], [0.75, 0.5]),
  };

  // The second is the background, which is no answer.
  expect(decoded({ preset: "torchvision" }, outputs)).toEqual([[17, 0.75, 10, 20, 30, 40]]);
});

test("torchvision: a picture without any box", () => {
  const outputs = {
    boxes: tensor([0, 4], []),
    labels: { dtype: "INT64", shape: [0], data: int64() } as const,
    scores: tensor([0], []),
  };

  expect(decoded({ preset: "torchvision" }, outputs)).toEqual([]);
});

test("TensorFlow's API: fractions, top before left, and what is beyond the count is not looked at", () => {
  const outputs = {
    detection_boxes: tensor([1, 2, 4], [0.25, 0.125, 0.5, 0.75, Number.NaN, 0, 0, 0]),
    detection_scores: tensor([1, 2], [0.5, 0.9]),
    detection_classes: tensor([1, 2], [3, 4]),
    num_detections: tensor([1], [1]),
  };

  expect(decoded({ preset: "tf-object-detection" }, outputs)).toEqual([
    [3, 0.5, 80, 160, 480, 320],
  ]);
});

test("RetinaNet: padding has the class -1", () => {
  const outputs = {
    boxes: tensor([1, 2, 4], [10, 20, 30, 40, -1, -1, -1, -1]),
    scores: tensor([1, 2], [0.5, -1]),
    labels: { dtype: "INT32", shape: [1, 2], data: int32(0, -1) } as const,
  };

  expect(decoded({ preset: "retinanet" }, outputs, 0)).toEqual([[0, 0.5, 10, 20, 30, 40]]);
});

test("EfficientDet: one tensor of seven values, the first the number of the picture", () => {
  const detections = tensor([1, 1, 7], [0, 20, 10, 40, 30, 0.5, 18]);

  expect(decoded({ preset: "efficientdet" }, { detections })).toEqual([[18, 0.5, 10, 20, 30, 40]]);
});

test("DETR: softmax with a last class that is no object", () => {
  const outputs = {
    logits: tensor([1, 2, 3], [Math.log(2), Math.log(5), Math.log(3), 0, 0, 9]),
    pred_boxes: tensor([1, 2, 4], [0.5, 0.5, 0.25, 0.5, 0.5, 0.5, 1, 1]),
  };

  expect(decoded({ preset: "detr" }, outputs)).toEqual([[1, 0.5, 240, 160, 400, 480]]);
});

test("RT-DETR: sigmoid, and one box of two classes", () => {
  const outputs = {
    logits: tensor([1, 1, 3], [Math.log(3), -9, 0]),
    pred_boxes: tensor([1, 1, 4], [0.5, 0.5, 0.25, 0.5]),
  };

  expect(decoded({ preset: "rt-detr" }, outputs)).toEqual([
    [0, 0.75, 240, 160, 400, 480],
    [2, 0.5, 240, 160, 400, 480],
  ]);
});

test("boxes and scores in one tensor, classes in another: a separate format", () => {
  const detector = {
    boxes: { output: "dets" },
    score: { at: 4 },
    class: { output: "labels" },
    classOffset: 1,
    nms: "none",
  } as const;
  const outputs = {
    dets: tensor([1, 1, 5], [10, 20, 30, 40, 0.5]),
    labels: { dtype: "INT64", shape: [1, 1], data: int64(3) } as const,
  };

  expect(decoded(detector, outputs)).toEqual([[2, 0.5, 10, 20, 30, 40]]);
});

test.each<{
  readonly because: string;
  readonly detector: DetectorOptions;
  readonly outputs: Readonly<Record<string, Tensor>>;
  readonly text: string;
}>([
  {
    because: "an output is missing",
    detector: { preset: "torchvision" },
    outputs: { boxes: tensor([1, 4], [0, 0, 1, 1]), scores: tensor([1], [1]) },
    text: 'no output "labels"',
  },
  {
    because: "there are too few axes",
    detector: { preset: "yolo" },
    outputs: { output0: tensor([8], [0, 0, 0, 0, 0, 0, 0, 0]) },
    text: 'output "output0" has shape [8]; expected [1, values, boxes]',
  },
  {
    because: "there is more than one picture",
    detector: { preset: "yolo" },
    outputs: { output0: tensor([2, 5, 1], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0]) },
    text: 'output "output0" has shape [2,5,1]',
  },
  {
    because: "a box has too few values",
    detector: { preset: "yolov5" },
    outputs: { output0: tensor([1, 1, 5], [0, 0, 0, 0, 0]) },
    text: 'output "output0" of shape [1,1,5] has 5 values per box; expected at least 6',
  },
  {
    because: "outputs do not match",
    detector: { preset: "torchvision" },
    outputs: {
      boxes: tensor([2, 4], [0, 0, 1, 1, 0, 0, 1, 1]),
      scores: tensor([3], [1, 1, 1]),
      labels: tensor([2], [1, 1]),
    },
    text: 'output "scores" has shape [3], which does not match 2 boxes',
  },
  {
    because: "a value is NaN",
    detector: { preset: "yolo" },
    outputs: { output0: tensor([1, 5, 1], [1, 1, Number.NaN, 1, 0.5]) },
    text: 'output "output0" contains NaN at index 2',
  },
  {
    because: "a value is infinite",
    detector: { preset: "yolo" },
    outputs: { output0: tensor([1, 5, 1], [1, 1, 1, Number.NEGATIVE_INFINITY, 0.5]) },
    text: 'output "output0" contains -Infinity at index 3',
  },
  {
    because: "a half-precision float is infinite",
    detector: { preset: "yolo" },
    outputs: {
      output0: {
        dtype: "FP16",
        shape: [1, 5, 1],
        data: Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0x7c, 0, 0),
      },
    },
    text: 'output "output0" contains Infinity at index 3',
  },
  {
    because: "there are strings",
    detector: { preset: "yolo" },
    outputs: { output0: { dtype: "BYTES", shape: [1, 5, 0], elements: [] } },
    text: 'output "output0" is BYTES',
  },
  {
    because: "more boxes count than there are",
    detector: { preset: "efficient-nms" },
    outputs: {
      det_boxes: tensor([1, 1, 4], [0, 0, 1, 1]),
      det_scores: tensor([1, 1], [1]),
      det_classes: tensor([1, 1], [0]),
      num_dets: tensor([1, 1], [2]),
    },
    text: 'output "num_dets" is FP32 [2]; expected the number of boxes, 0 to 1',
  },
  {
    because: "a score is no probability",
    detector: { preset: "yolo" },
    outputs: { output0: tensor([1, 5, 1], [1, 1, 1, 1, 3.5]) },
    text: 'output "output0" gives the score 3.5; expected 0 to 1',
  },
  {
    because: "there is no class but the background",
    detector: { preset: "detr" },
    outputs: { logits: tensor([1, 1, 1], [1]), pred_boxes: tensor([1, 1, 4], [0, 0, 1, 1]) },
    text: 'output "logits" has 1 score per box',
  },
])("the replica has failed if $because", ({ detector, outputs, text }) => {
  const decoding = () => decoded(detector, outputs);

  expect(decoding).toThrow(UpstreamFailedError);
  expect(decoding).toThrow(text);
});

test("a class count leaves out what follows the scores, as masks do", () => {
  const { boxes, ...rest } = detectorFormat({ preset: "yolo" });
  const format = { ...rest, boxes: boxes ?? { output: "" } };
  const output0 = tensor([1, 8, 1], [10, 10, 4, 4, 0.3, 0.4, 9, 9]);

  expect(boxTable(format, new Map([["output0", output0]]), 2).classScores?.width).toBe(2);
});
