import { maxResultsPerPicture } from "@tensorgate/core";
import {
  backgroundClasses,
  boxFormats,
  boxUnits,
  type DetectorOptions,
  detectorLayouts,
  detectorPresetNames,
  scoreActivations,
  suppressionScopes,
} from "@tensorgate/tf-serving";
import { z } from "zod";

/** What a detector's answers are cut down to when a call says nothing else. */
export interface DetectionOptions {
  /**
   * Boxes must score more than this. A detector's preset may have another default.
   * @default 0.5
   */
  readonly minScore?: number;
  /**
   * Of two boxes of a class that overlap by this much or more (intersection over union), the better one is kept. A
   * detector's preset may have another default.
   * @default 0.45
   */
  readonly iouThreshold?: number;
  /**
   * Best boxes, over all classes, that are looked at for overlaps.
   * @default 400
   */
  readonly maxCandidates?: number;
  /**
   * Boxes in an answer.
   * @default 400
   */
  readonly maxDetections?: number;
}

export const detectionDefaults: Required<DetectionOptions> = {
  minScore: 0.5,
  iouThreshold: 0.45,
  maxCandidates: 400,
  maxDetections: 400,
};

const share = z.number().min(0).max(1).optional();
const count = z.int().min(1).max(maxResultsPerPicture).optional();

export const detectionSchema: z.ZodType<DetectionOptions> = z.strictObject({
  minScore: share.describe("Minimum score of a box, exclusive."),
  iouThreshold: share.describe(
    "Overlap (IoU) at which the lower-scoring of two boxes is suppressed.",
  ),
  maxCandidates: count.describe("Boxes considered for non-maximum suppression, best first."),
  maxDetections: count.describe("Maximum number of boxes returned."),
}) as z.ZodType<DetectionOptions>;

/** Values of one box in one output: the usual ones have up to a few thousand classes. */
const position = z.int().min(0).max(65_535);
const output = z.string().min(1);
const field = z.strictObject({
  output: output.optional().describe("Name of the output; that of the boxes by default."),
  at: position.optional().describe("Position among the values of a box."),
});

/** How the outputs of a detector are read. */
export const detectorSchema: z.ZodType<DetectorOptions> = z.strictObject({
  preset: z
    .enum(detectorPresetNames)
    .optional()
    .describe("A known export format, which the other settings adjust."),
  layout: z.enum(detectorLayouts).optional().describe("Order of the axes of boxes and values."),
  boxes: field.optional().describe("Four values of each box."),
  boxFormat: z.enum(boxFormats).optional().describe("Meaning of the four values."),
  boxUnits: z.enum(boxUnits).optional().describe("Units of the four values."),
  score: field.optional().describe("The only score of a box."),
  class: field.optional().describe("Number of the class that the score is of."),
  classScores: field.optional().describe("A score for each class."),
  objectness: field.optional().describe("Score that multiplies those of the classes."),
  count: z
    .strictObject({ output: output.describe("Name of the output.") })
    .optional()
    .describe("Number of boxes that are not padding."),
  activation: z.enum(scoreActivations).optional().describe("Makes probabilities of the scores."),
  background: z.enum(backgroundClasses).optional().describe("Position of the background class."),
  classOffset: z
    .int()
    .min(-65_535)
    .max(65_535)
    .optional()
    .describe("Subtracted from class numbers to get positions in the labels."),
  multiLabel: z.boolean().optional().describe("Whether a box may be of several classes."),
  nms: z.enum(suppressionScopes).optional().describe("Scope of non-maximum suppression."),
}) as z.ZodType<DetectorOptions>;
