export const detectorPresetNames = [
  "yolo",
  "yolov5",
  "yolo-end-to-end",
  "torchvision",
  "tf-object-detection",
  "retinanet",
  "efficientdet",
  "efficient-nms",
  "detr",
  "rt-detr",
] as const;

export type DetectorPresetName = (typeof detectorPresetNames)[number];

/** Where a value of every box is found: in which output, and at which place of a box's values there. */
export interface DetectorField {
  readonly output: string;
  /** Position of the value, or of the first of several, among those of a box in this output; 0 by default. */
  readonly at?: number;
}

export const detectorLayouts = ["boxes-first", "values-first"] as const;
export const boxFormats = ["xyxy", "yxyx", "xywh", "cxcywh"] as const;
export const boxUnits = ["input-pixels", "fractions", "source-pixels"] as const;
export const scoreActivations = ["none", "sigmoid", "softmax"] as const;
export const backgroundClasses = ["none", "first", "last"] as const;
export const suppressionScopes = ["per-class", "class-agnostic", "none"] as const;

/**
 * How the outputs of an object detector are read. All of it is data, so that another export of a detector is a few
 * lines of configuration. Scores are either one `score` per box (with its `class`), or `classScores`.
 */
export interface DetectorFormat {
  /** Axes of outputs with several values per box: `[boxes, values]`, or `[values, boxes]`. A batch axis of 1 may come first. */
  readonly layout: (typeof detectorLayouts)[number];
  /** Four values of each box. */
  readonly boxes: DetectorField;
  /** What the four values are: two corners, corner and size, or center and size. */
  readonly boxFormat: (typeof boxFormats)[number];
  /** Pixels of the input as the model takes it, fractions of its sides, or pixels of the encoded picture. */
  readonly boxUnits: (typeof boxUnits)[number];
  /** The only score of a box. */
  readonly score?: DetectorField;
  /** Number of the class that `score` is of; without it every box is of class 0. Boxes with a negative number are left out. */
  readonly class?: DetectorField;
  /** A score for each class. */
  readonly classScores?: DetectorField;
  /** Score that there is an object, by which each of `classScores` is multiplied. */
  readonly objectness?: DetectorField;
  /** Number of boxes that count; those after it are padding. */
  readonly count?: Pick<DetectorField, "output">;
  /** Function that makes probabilities of scores, objectness included. */
  readonly activation: (typeof scoreActivations)[number];
  /** Position of a class that is no object: the first one, whose place in the labels is kept, or the last one. */
  readonly background: (typeof backgroundClasses)[number];
  /** Subtracted from the number of a class to get its position in the labels. */
  readonly classOffset: number;
  /** Whether one box may be of several classes, rather than of its best. */
  readonly multiLabel: boolean;
  /** Non-maximum suppression: among boxes of a class, among all, or none because the model has done it. */
  readonly nms: (typeof suppressionScopes)[number];
}

export const fieldNames = [
  "boxes",
  "score",
  "class",
  "classScores",
  "objectness",
  "count",
] as const;

export type FieldName = (typeof fieldNames)[number];

/**
 * What a configuration says of a detector: a preset, and what differs from it. A field without `output` is in the output
 * of the boxes.
 */
export interface DetectorOptions
  extends Partial<Omit<DetectorFormat, FieldName>>,
    Readonly<Partial<Record<FieldName, Partial<DetectorField>>>> {
  readonly preset?: DetectorPresetName;
}

type Settings = Omit<DetectorFormat, FieldName>;

export const detectorDefaults: Settings = {
  layout: "boxes-first",
  boxFormat: "xyxy",
  boxUnits: "input-pixels",
  activation: "none",
  background: "none",
  classOffset: 0,
  multiLabel: false,
  nms: "per-class",
};

/** A format that need not say where the boxes are. */
export type PartialDetectorFormat = Settings &
  Partial<Readonly<Record<Exclude<FieldName, "count">, DetectorField>>> &
  Pick<DetectorFormat, "count">;

/** Names of the outputs that a detector reads, each once. */
export function detectorOutputs(format: PartialDetectorFormat): readonly string[] {
  return [...new Set(fieldNames.flatMap((key) => format[key]?.output ?? []))];
}
