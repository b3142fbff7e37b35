import type { DType } from "@tensorgate/core";
import type { DetectorOptions, DetectorPresetName } from "./detector-format.ts";

/** An input or output as a server or a file declares it. */
export interface DeclaredTensor {
  readonly name: string;
  readonly dtype: DType | undefined;
  /** With the batch; -1 for an open extent, undefined for an unknown rank. */
  readonly shape: readonly number[] | undefined;
}

export interface DetectorClues {
  /** Of the pixels that the model takes, where they are fixed. */
  readonly inputSize: { readonly heightPx: number; readonly widthPx: number } | undefined;
  readonly outputs: readonly DeclaredTensor[];
}

/** A detector as its outputs show it. */
export interface DetectorGuess {
  readonly preset: DetectorPresetName;
  /** As a configuration describes it, with the names of its own outputs. */
  readonly detector: DetectorOptions;
  /** Scores of each box, where other values follow them. */
  readonly classCount?: number;
  readonly labels?: "coco" | "coco-by-number";
  /** Side of the square of pixels that so many boxes belong to, where the input does not show it. */
  readonly sidePx?: number;
  /** What names and shapes do not prove; one sentence each. */
  readonly doubts: readonly string[];
}

/** Recognizes a detector by the names and shapes of its outputs; undefined if they look like nothing that is known. */
export function guessDetector(clues: DetectorClues): DetectorGuess | undefined {
  const byName = new Map(clues.outputs.map((output) => [output.name, output]));
  const has = (...names: readonly string[]) => names.every((name) => byName.has(name));
  if (has("detection_boxes", "detection_scores", "detection_classes", "num_detections")) {
    return byDetectionNames(byName);
  }
  if (has("det_boxes", "det_scores", "det_classes", "num_dets")) {
    return { preset: "efficient-nms", detector: { preset: "efficient-nms" }, doubts: [fromZero] };
  }
  if (has("boxes", "labels", "scores")) return byBoxes(byName.get("boxes"));
  if (has("pred_boxes")) return byQueries(byName.get("logits") ?? byName.get("pred_logits"));
  return byShape(clues);
}

const fromZero = "class numbers are assumed to begin at 0, without a background";
const fromOne =
  "class numbers are assumed to begin at 1: the first label is that of the background, which may be left out";
const noLabels =
  "the outputs do not show which classes there are; add labels: coco-by-number, if they are COCO's, or a file with one label per line";

function byDetectionNames(outputs: ReadonlyMap<string, DeclaredTensor>): DetectorGuess {
  if (outputs.get("detection_classes")?.dtype !== "INT32") {
    const preset = "tf-object-detection";
    return { preset, detector: { preset }, doubts: [fromOne, noLabels] };
  }
  // TensorFlow's own are floats; TensorRT's plugin has the same names in its samples.
  return {
    preset: "efficient-nms",
    detector: {
      preset: "efficient-nms",
      boxes: { output: "detection_boxes" },
      score: { output: "detection_scores" },
      class: { output: "detection_classes" },
      count: { output: "num_detections" },
    },
    doubts: [
      "integers as classes are taken for TensorRT's EfficientNMS, with boxes in pixels of the input; set preset: tf-object-detection if they are fractions",
      fromZero,
    ],
  };
}

function byBoxes(boxes: DeclaredTensor | undefined): DetectorGuess {
  const isBatch = boxes?.shape?.length === 3;
  const preset = isBatch ? "retinanet" : "torchvision";
  return {
    preset,
    detector: { preset },
    doubts: [
      "boxes are assumed to be left, top, right, bottom in pixels of the input",
      isBatch ? fromZero : fromOne,
      noLabels,
    ],
  };
}

/** By the logits of a transformer's queries. */
function byQueries(logits: DeclaredTensor | undefined): DetectorGuess | undefined {
  const { name, shape } = logits ?? {};
  const classes = shape?.at(-1);
  if (name === undefined || classes === undefined || shape?.length !== 3) return undefined;
  // Sigmoid needs no class for "no object", so that a network for COCO has exactly its classes.
  const preset = classes === 80 || classes === 365 ? "rt-detr" : "detr";
  const named = name === "logits" ? {} : { classScores: { output: name } };
  const labels =
    classes === 80 ? "coco" : classes === 91 || classes === 92 ? "coco-by-number" : undefined;
  return {
    preset,
    detector: { preset, ...named },
    ...(labels && { labels }),
    doubts: [
      preset === "detr"
        ? `the last of ${classes} scores is assumed to be that there is no object; set preset: rt-detr if scores are by sigmoid`
        : `${classes} scores are assumed to be by sigmoid; set preset: detr if the last one is that there is no object`,
      labels ? cocoDoubt(classes) : noLabels,
    ],
  };
}

const cocoDoubt = (classes: number) => `${classes} classes are assumed to be COCO's`;

/** Most boxes of a model that has chosen among them. */
const maxChosen = 1_000;
/** Values after the scores of a YOLO that also gives masks, each of which it mixes of as many. */
const maskValues = 32;

function byShape({ inputSize, outputs }: DetectorClues): DetectorGuess | undefined {
  const [only, ...others] = outputs.filter(({ shape }) => shape?.length === 3);
  const [, first = -1, second = -1] = only?.shape ?? [];
  const isFloat = only?.dtype === "FP32" || only?.dtype === "FP16";
  if (!only || others.length > 0 || !isFloat) return undefined;
  const { name } = only;
  const hasMasks = outputs.some(({ shape }) => shape?.length === 4 && shape[1] === maskValues);
  const yolo = { name, masks: hasMasks ? maskValues : 0, inputSize };
  if (isGrid(second, 1, inputSize) && first > 4) {
    return yoloGuess("values-first", first, { ...yolo, boxes: second });
  }
  if (isGrid(first, 3, inputSize) && second > 5) {
    return yoloV5Guess(second, { ...yolo, boxes: first });
  }
  if (isGrid(first, 1, inputSize) && second > 4) {
    return second === 85
      ? yoloV5Guess(second, { ...yolo, boxes: first })
      : yoloGuess("boxes-first", second, { ...yolo, boxes: first });
  }
  const isChosen = first > 0 && first <= maxChosen;
  if (isChosen && second === 6) return chosenGuess("yolo-end-to-end", name);
  if (isChosen && second === 7) return chosenGuess("efficientdet", name);
  return undefined;
}

/**
 * Whether a YOLO of an input of this size has so many boxes: `perCell` in each cell of grids of 8, 16 and 32 pixels.
 * Where the size is not known, whether a square has.
 */
function isGrid(boxes: number, perCell: number, size: DetectorClues["inputSize"]): boolean {
  if (!size) return Number.isInteger(sideOf(boxes / perCell) / 32) && boxes > maxChosen;
  const { heightPx, widthPx } = size;
  const cells = [8, 16, 32].map((px) => Math.ceil(heightPx / px) * Math.ceil(widthPx / px));
  return boxes === perCell * cells.reduce((sum, count) => sum + count, 0);
}

/** Of a square whose grids have so many cells, in pixels. */
function sideOf(cells: number): number {
  return Math.sqrt((cells * 1_024) / 21);
}

interface YoloClues {
  readonly name: string;
  readonly boxes: number;
  /** Values after the scores. */
  readonly masks: number;
  readonly inputSize: DetectorClues["inputSize"];
}

function yoloGuess(
  layout: "values-first" | "boxes-first",
  values: number,
  { name, boxes, masks, inputSize }: YoloClues,
): DetectorGuess {
  const ofLayout = layout === "values-first" ? {} : { layout };
  return {
    preset: "yolo",
    detector: { preset: "yolo", boxes: { output: name }, ...ofLayout },
    ...(inputSize ? {} : { sidePx: sideOf(boxes) }),
    ...classesOf(values - 4, masks),
  };
}

function yoloV5Guess(values: number, { name, boxes, masks, inputSize }: YoloClues): DetectorGuess {
  const { doubts, ...classes } = classesOf(values - 5, masks);
  const perCell = isGrid(boxes, 3, inputSize) ? 3 : 1;
  return {
    preset: "yolov5",
    detector: { preset: "yolov5", boxes: { output: name } },
    ...(inputSize ? {} : { sidePx: sideOf(boxes / perCell) }),
    ...classes,
    doubts: ["the fifth value of a box is assumed to be objectness", ...doubts],
  };
}

function classesOf(values: number, masks: number) {
  const classes = values - masks;
  const isCoco = classes === 80;
  const labels = isCoco ? { labels: "coco" as const } : {};
  const text = isCoco
    ? cocoDoubt(classes)
    : `no labels for ${classes} classes; add labels: ./labels.txt, one label per line`;
  return {
    ...labels,
    ...(masks > 0 && { classCount: classes }),
    doubts:
      masks > 0 ? [`the last ${masks} values of a box are assumed to be of masks`, text] : [text],
  };
}

function chosenGuess(preset: "yolo-end-to-end" | "efficientdet", name: string): DetectorGuess {
  const values =
    preset === "efficientdet"
      ? "picture, top, left, bottom, right, score, class"
      : "left, top, right, bottom, score, class";
  return {
    preset,
    detector: { preset, boxes: { output: name } },
    doubts: [
      `the values of a box are assumed to be ${values}, in pixels of the input`,
      preset === "efficientdet" ? fromOne : fromZero,
      noLabels,
    ],
  };
}
