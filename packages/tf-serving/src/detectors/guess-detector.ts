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
import { guessByShape } from "./guess-by-shape.ts";
import { named } from "./preset-outputs.ts";
import { withUnits } from "./seen-units.ts";

/**
 * Recognizes a detector by the names and shapes of its outputs, and the units of its boxes by those of a test picture;
 * undefined if they look like nothing that is known.
 */
export function guessDetector(clues: DetectorClues): DetectorGuess | undefined {
  const guess = guessByName(clues.outputs) ?? guessByShape(clues);
  return guess && withUnits(guess, clues.outputs);
}

/** Names of a graph's tensors, which converters of TensorFlow leave in a file: `detection_boxes:0`. */
const tensorNumber = /:\d+$/;

function guessByName(outputs: readonly DeclaredTensor[]): DetectorGuess | undefined {
  const byName = new Map(outputs.map((each) => [each.name.replace(tensorNumber, ""), each]));
  const has = (...names: readonly string[]) => names.every((name) => byName.has(name));
  const own = (name: string) => byName.get(name)?.name ?? name;
  if (has("detection_boxes", "detection_scores", "detection_classes", "num_detections")) {
    return byDetectionNames(byName);
  }
  if (has("det_boxes", "det_scores", "det_classes", "num_dets")) {
    const detector = named("efficient-nms", {
      boxes: own("det_boxes"),
      score: own("det_scores"),
      class: own("det_classes"),
      count: own("num_dets"),
    });
    return { preset: "efficient-nms", detector, doubts: [fromZero] };
  }
  if (has("boxes", "labels", "scores")) return byBoxes(byName);
  if (has("pred_boxes")) {
    return byQueries(byName.get("logits") ?? byName.get("pred_logits"), own("pred_boxes"));
  }
  return undefined;
}

type ByName = ReadonlyMap<string, DeclaredTensor>;

function byDetectionNames(outputs: ByName): DetectorGuess {
  const own = (name: string) => outputs.get(name)?.name ?? name;
  const isInteger = outputs.get("detection_classes")?.dtype === "INT32";
  // TensorFlow's own are floats; TensorRT's plugin has the same names in its samples.
  const preset = isInteger ? "efficient-nms" : "tf-object-detection";
  const detector = named(preset, {
    boxes: own("detection_boxes"),
    score: own("detection_scores"),
    class: own("detection_classes"),
    count: own("num_detections"),
  });
  if (!isInteger) return { preset, detector, doubts: [fromOne, noLabels] };
  return {
    preset,
    detector,
    doubts: [
      "integers as classes are taken for TensorRT's EfficientNMS, with boxes in pixels of the input; set preset: tf-object-detection if they are fractions",
      fromZero,
    ],
  };
}

function byBoxes(outputs: ByName): DetectorGuess {
  const own = (name: string) => outputs.get(name)?.name ?? name;
  const isBatch = outputs.get("boxes")?.shape?.length === 3;
  const preset = isBatch ? "retinanet" : "torchvision";
  return {
    preset,
    detector: named(preset, { boxes: own("boxes"), score: own("scores"), class: own("labels") }),
    doubts: [cornersInPixels, isBatch ? fromZero : fromOne, noLabels],
  };
}

/** By the logits of a transformer's queries. */
function byQueries(logits: DeclaredTensor | undefined, boxes: string): DetectorGuess | undefined {
  const { name, shape } = logits ?? {};
  const classes = shape?.at(-1);
  if (name === undefined || classes === undefined || shape?.length !== 3) return undefined;
  // Sigmoid needs no class for "no object", so that a network for COCO has exactly its classes.
  const preset = classes === 80 || classes === 365 ? "rt-detr" : "detr";
  const labels =
    classes === 80 ? "coco" : classes === 91 || classes === 92 ? "coco-by-number" : undefined;
  return {
    preset,
    detector: named(preset, { boxes, classScores: name }),
    ...(labels && { labels }),
    doubts: [
      preset === "detr"
        ? `the last of ${classes} scores is assumed to be that there is no object; set preset: rt-detr if scores are by sigmoid`
        : `${classes} scores are assumed to be by sigmoid; set preset: detr if the last one is that there is no object`,
      labels ? cocoDoubt(classes) : noLabels,
    ],
  };
}
