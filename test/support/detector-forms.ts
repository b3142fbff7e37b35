import type { DetectorPresetName } from "@tensorgate/tf-serving";
import {
  detrModel,
  efficientDetModel,
  efficientNmsModel,
  endToEndModel,
  retinaNetModel,
} from "./detector-exports.ts";
import { objectDetectionModel, torchvisionModel, yoloModel } from "./detector-models.ts";

/** A detector of red things in one of the forms that are known, and what it says of them. */
export interface DetectorForm {
  readonly name: string;
  readonly preset: DetectorPresetName;
  readonly bytes: () => Uint8Array;
  readonly index: number;
  readonly score: number;
}

const sigmoid = (logit: number) => 1 / (1 + Math.exp(-logit));

/** At least one detector of each preset. */
export const detectorForms: readonly DetectorForm[] = [
  { name: "yolo-v8", preset: "yolo", bytes: () => yoloModel("v8"), index: 2, score: 0.9 },
  {
    name: "yolo-v8-half",
    preset: "yolo",
    bytes: () => yoloModel("v8", { type: "float16", classCount: 3, size: 416 }),
    index: 2,
    score: 0.9,
  },
  {
    name: "yolo-v5",
    preset: "yolov5",
    bytes: () => yoloModel("v5", { size: 320 }),
    index: 2,
    score: 0.9,
  },
  { name: "yolo-v10", preset: "yolo-end-to-end", bytes: endToEndModel, index: 2, score: 0.8 },
  {
    name: "torchvision",
    preset: "torchvision",
    bytes: () => torchvisionModel(),
    index: 17,
    score: 0.75,
  },
  {
    name: "object-detection",
    preset: "tf-object-detection",
    bytes: () => objectDetectionModel(),
    index: 18,
    score: 0.6,
  },
  { name: "retinanet", preset: "retinanet", bytes: retinaNetModel, index: 2, score: 0.7 },
  { name: "efficientdet", preset: "efficientdet", bytes: efficientDetModel, index: 3, score: 0.65 },
  {
    name: "efficient-nms",
    preset: "efficient-nms",
    bytes: efficientNmsModel,
    index: 2,
    score: 0.85,
  },
  {
    name: "detr",
    preset: "detr",
    bytes: () => detrModel("detr"),
    index: 17,
    score: 1 / (1 + 91 * Math.exp(-14)),
  },
  {
    name: "rt-detr",
    preset: "rt-detr",
    bytes: () => detrModel("rt-detr"),
    index: 2,
    score: sigmoid(4),
  },
];
