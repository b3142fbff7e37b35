import type { Padding, PerChannel, PixelType } from "@tensorgate/core";
import {
  type DetectorField,
  type DetectorOptions,
  type DetectorPresetName,
  detectorDefaults,
  type FieldName,
  fieldNames,
  type PartialDetectorFormat,
} from "./detector-format.ts";

/** How pictures usually get into models of a preset that take pixels; the words are those of the configuration. */
export interface DetectorInput {
  readonly resize: "stretch" | "letterbox" | "fit";
  readonly padValue?: number;
  readonly padding?: Padding;
  readonly shorterSidePx?: number;
  readonly longerSidePx?: number;
  readonly channelOrder?: "rgb" | "bgr";
  readonly mean?: PerChannel;
  readonly scale?: number | PerChannel;
  readonly dtype?: PixelType;
}

/** A form in which detectors are exported. */
export interface DetectorPreset {
  readonly name: DetectorPresetName;
  /** For people. */
  readonly title: string;
  /** What differs from the defaults of a format. */
  readonly format: Omit<DetectorOptions, "preset">;
  readonly input: DetectorInput;
  /** Thresholds that its own tools use, where they are usual. */
  readonly selection?: { readonly minScore: number; readonly iouThreshold: number };
}

const unit = 1 / 255;
/** ImageNet's, of pixels of 0..255. */
const imagenet = {
  mean: [123.675, 116.28, 103.53],
  scale: [1 / 58.395, 1 / 57.12, 1 / 57.375],
} as const;
const letterbox = {
  resize: "letterbox",
  padValue: 114,
  padding: "both-sides",
  scale: unit,
} as const;

const all: readonly DetectorPreset[] = [
  {
    name: "yolo",
    title: "YOLO v8, v9, v11",
    format: {
      layout: "values-first",
      boxes: { output: "output0" },
      boxFormat: "cxcywh",
      classScores: { at: 4 },
    },
    input: letterbox,
    selection: { minScore: 0.25, iouThreshold: 0.7 },
  },
  {
    name: "yolov5",
    title: "YOLO v5, v6, v7",
    format: {
      boxes: { output: "output0" },
      boxFormat: "cxcywh",
      objectness: { at: 4 },
      classScores: { at: 5 },
    },
    input: letterbox,
    selection: { minScore: 0.25, iouThreshold: 0.45 },
  },
  {
    name: "yolo-end-to-end",
    title: "YOLO v10, or a later one exported with NMS",
    format: {
      boxes: { output: "output0" },
      score: { at: 4 },
      class: { at: 5 },
      nms: "none",
    },
    input: letterbox,
    selection: { minScore: 0.25, iouThreshold: 0.7 },
  },
  {
    name: "torchvision",
    title: "torchvision's Faster R-CNN, RetinaNet, FCOS, SSD",
    format: {
      boxes: { output: "boxes" },
      score: { output: "scores" },
      class: { output: "labels" },
      background: "first",
      nms: "none",
    },
    input: { resize: "fit", longerSidePx: 1_333, scale: unit },
  },
  {
    name: "tf-object-detection",
    title: "TensorFlow's object detection API",
    format: {
      boxes: { output: "detection_boxes" },
      boxFormat: "yxyx",
      boxUnits: "fractions",
      score: { output: "detection_scores" },
      class: { output: "detection_classes" },
      count: { output: "num_detections" },
      background: "first",
      nms: "none",
    },
    input: { resize: "fit", longerSidePx: 1_333, dtype: "UINT8" },
  },
  {
    name: "retinanet",
    title: "RetinaNet with NMS in the graph",
    format: {
      boxes: { output: "boxes" },
      score: { output: "scores" },
      class: { output: "labels" },
      nms: "none",
    },
    input: {
      resize: "fit",
      shorterSidePx: 800,
      longerSidePx: 1_333,
      channelOrder: "bgr",
      mean: [123.68, 116.779, 103.939],
    },
  },
  {
    name: "efficientdet",
    title: "EfficientDet with NMS in the graph",
    format: {
      // The first of seven values is the picture's number in the batch.
      boxes: { output: "detections", at: 1 },
      boxFormat: "yxyx",
      score: { at: 5 },
      class: { at: 6 },
      background: "first",
      nms: "none",
    },
    input: { resize: "fit", longerSidePx: 1_333, dtype: "UINT8" },
  },
  {
    name: "efficient-nms",
    title: "TensorRT's EfficientNMS",
    format: {
      boxes: { output: "det_boxes" },
      score: { output: "det_scores" },
      class: { output: "det_classes" },
      count: { output: "num_dets" },
      nms: "none",
    },
    input: letterbox,
  },
  {
    name: "detr",
    title: "DETR",
    format: {
      boxes: { output: "pred_boxes" },
      boxFormat: "cxcywh",
      boxUnits: "fractions",
      classScores: { output: "logits" },
      activation: "softmax",
      background: "last",
      nms: "none",
    },
    input: { resize: "fit", shorterSidePx: 800, longerSidePx: 1_333, ...imagenet },
  },
  {
    name: "rt-detr",
    title: "RT-DETR, Deformable DETR",
    format: {
      boxes: { output: "pred_boxes" },
      boxFormat: "cxcywh",
      boxUnits: "fractions",
      classScores: { output: "logits" },
      activation: "sigmoid",
      multiLabel: true,
      nms: "none",
    },
    input: { resize: "stretch", scale: unit },
  },
];

/** Forms of detectors that are known here, by name. SSD-VGG, whose twelve outputs need anchors, is a family. */
export const detectorPresets: ReadonlyMap<DetectorPresetName, DetectorPreset> = new Map(
  all.map((preset) => [preset.name, preset]),
);

/**
 * Resolves the format of a detector: what the options say goes before the preset. One score per box and scores per
 * class exclude each other, so that either replaces what the preset has of the other.
 */
export function detectorFormat(options: DetectorOptions): PartialDetectorFormat {
  const usual = (options.preset && detectorPresets.get(options.preset)?.format) ?? {};
  const settings = { ...detectorDefaults, ...usual };
  const boxesOutput = options.boxes?.output ?? usual.boxes?.output;
  const field = (key: FieldName): DetectorField | undefined => {
    const isReplaced =
      ((key === "score" || key === "class") && options.classScores !== undefined) ||
      ((key === "classScores" || key === "objectness") && options.score !== undefined);
    const inherited = isReplaced ? undefined : usual[key];
    if (!inherited && !options[key]) return undefined;
    const { output = boxesOutput, at } = { ...inherited, ...options[key] };
    if (output === undefined) return undefined;
    return at === undefined ? { output } : { output, at };
  };
  const fields = fieldNames.flatMap((key) => {
    const found = field(key);
    return found ? [[key, found] as const] : [];
  });
  return {
    layout: options.layout ?? settings.layout,
    boxFormat: options.boxFormat ?? settings.boxFormat,
    boxUnits: options.boxUnits ?? settings.boxUnits,
    activation: options.activation ?? settings.activation,
    background: options.background ?? settings.background,
    classOffset: options.classOffset ?? settings.classOffset,
    multiLabel: options.multiLabel ?? settings.multiLabel,
    nms: options.nms ?? settings.nms,
    ...Object.fromEntries(fields),
  };
}
