import {
  cocoDoubt,
  cornersInPixels,
  type DeclaredTensor,
  type DetectorClues,
  type DetectorGuess,
  fromOne,
  fromZero,
  noLabels,
} from "./detector-guess.ts";
import { named } from "./preset-outputs.ts";

/** Most boxes of a model that has chosen among them. */
const maxChosen = 1_000;
/** Values after the scores of a YOLO that also gives masks, each of which it mixes of as many. */
const maskValues = 32;

/** Recognizes a detector by the shapes of its outputs alone. */
export function guessByShape(clues: DetectorClues): DetectorGuess | undefined {
  return byRows(clues) ?? byChosenBoxes(clues.outputs);
}

const isFloat = ({ dtype }: DeclaredTensor) => dtype === "FP32" || dtype === "FP16";

/** By one output that has all values of every box. */
function byRows({ inputSize, outputs }: DetectorClues): DetectorGuess | undefined {
  const [only, ...others] = outputs.filter(({ shape }) => shape?.length === 3);
  // YOLO v9 in its training form gives the boxes of both of its heads.
  const areAlike = others.every(({ shape }) => String(shape) === String(only?.shape));
  if (!only) return byNumberedRows(outputs);
  if (!areAlike || !isFloat(only)) return undefined;
  const [, first = -1, second = -1] = only.shape ?? [];
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
  if (first === queries && second > 7 && second - 4 <= maxQueryClasses) {
    return queriesGuess(name, second - 4);
  }
  return undefined;
}

/** Boxes of an RT-DETR, as its paper has them, and most classes that it was trained on. */
const queries = 300;
const maxQueryClasses = 366;

function queriesGuess(name: string, classes: number): DetectorGuess {
  const output = { output: name };
  return {
    preset: "rt-detr",
    detector: {
      preset: "rt-detr",
      boxes: output,
      classScores: { ...output, at: 4 },
      activation: "none",
    },
    ...classesOf(classes, 0),
  };
}

/** By one output of rows that begin with the number of the picture, as YOLO v7 writes them with NMS in the graph. */
function byNumberedRows(outputs: readonly DeclaredTensor[]): DetectorGuess | undefined {
  const [only, ...others] = outputs;
  if (!only || others.length > 0 || !isFloat(only)) return undefined;
  if (only.shape?.length !== 2 || only.shape[1] !== 7) return undefined;
  return {
    preset: "yolo-end-to-end",
    detector: {
      preset: "yolo-end-to-end",
      boxes: { output: only.name, at: 1 },
      class: { at: 5 },
      score: { at: 6 },
    },
    doubts: [
      "the values of a box are assumed to be picture, left, top, right, bottom, class, score, in pixels of the input",
      fromZero,
      noLabels,
    ],
  };
}

/**
 * By boxes, scores and class numbers in an output each, whatever their names, as exporters number them. Class numbers
 * are integers, or floats whose name says so.
 */
function byChosenBoxes(outputs: readonly DeclaredTensor[]): DetectorGuess | undefined {
  const [boxes, ...others] = outputs.filter(
    (each) => isFloat(each) && each.shape?.at(-1) === 4 && isRank(each, 2, 3),
  );
  if (!boxes || others.length > 0) return undefined;
  const ofBoxes = String(boxes.shape?.slice(0, -1));
  const rows = outputs.filter(({ shape }) => String(shape) === ofBoxes);
  const classes = rows.find(({ name }) => /class|label/i.test(name)) ?? rows.find(isInteger);
  const [scores, ...unknown] = rows.filter((each) => each !== classes && isFloat(each));
  if (!classes || !scores || unknown.length > 0) return undefined;
  const fields = { boxes: boxes.name, score: scores.name, class: classes.name };
  const count = outputs.find(
    (each) => each !== classes && isInteger(each) && each.shape?.every((extent) => extent === 1),
  );
  if (count) {
    const detector = named("efficient-nms", { ...fields, count: count.name });
    return { preset: "efficient-nms", detector, doubts: [cornersInPixels, fromZero, noLabels] };
  }
  const isBatch = isRank(boxes, 3);
  const preset = isBatch ? "retinanet" : "torchvision";
  return {
    preset,
    detector: named(preset, fields),
    doubts: [cornersInPixels, isBatch ? fromZero : fromOne, noLabels],
  };
}

const isInteger = ({ dtype }: DeclaredTensor) => dtype === "INT64" || dtype === "INT32";

function isRank({ shape }: DeclaredTensor, ...ranks: readonly number[]): boolean {
  return shape !== undefined && ranks.includes(shape.length);
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
