import {
  type DetectorOptions,
  type FamilyName,
  type FamilyVariant,
  familyNames,
  familyVariants,
} from "@tensorgate/tf-serving";
import { z } from "zod";
import {
  type DetectionOptions,
  detectionSchema,
  detectorSchema,
} from "./detection/detector-options.ts";
import { type GoldenOptions, goldenSchema } from "./golden/golden-options.ts";
import { type HeadOptions, headSchema, versionNumber } from "./heads/head-options.ts";
import {
  type InputOptions,
  inputSchema,
  type TensorNameOptions,
  tensorName,
} from "./input-options.ts";

const outputHolds = ["probabilities", "logits", "features", "boxes", "tensor"] as const;

/** Lists of class names that are known here. */
export const labelListNames = ["imagenet", "pascal-voc", "coco", "coco-by-number"] as const;

export type LabelListName = (typeof labelListNames)[number];

export interface OutputOptions {
  /**
   * Name of the tensor. The default is the family's, and without a family the name under which the output is listed.
   */
  readonly tensor?: TensorNameOptions;
  /** What its numbers are. */
  readonly holds: (typeof outputHolds)[number];
}

/** What is different in one version of a model; everything else is as in the others. */
export interface VersionOptions
  extends Pick<
    ModelOptions,
    "signature" | "input" | "output" | "classCount" | "labels" | "detector" | "detection"
  > {
  /** From 0 on; a text beyond 1,000,000,000. */
  readonly version: number | string;
}

export interface ModelOptions {
  readonly name: string;
  /** A topology that is known here: tensor names, preprocessing and labels come with it, and can be overridden. */
  readonly family?: FamilyName;
  /**
   * Only the float SSD-VGG differs from the quantized one: it takes pixels.
   * @default "quantized"
   */
  readonly variant?: FamilyVariant;
  /**
   * Its first task; by default the outputs decide.
   */
  readonly task?: "classify" | "detect" | "embed" | "predict";
  /**
   * Signature that `input` and `output` describe, and that calls without one use. By default `serving_default`, or the
   * only signature of a server that has no such one. TensorFlow Serving's API always means what its caller names.
   */
  readonly signature?: string;
  /** The picture that the model takes. Without it, and without a family, the model is scored by tensors only. */
  readonly input?: InputOptions;
  /** Outputs by name; those of a family are replaced by others that hold the same. */
  readonly output?: Readonly<Record<string, OutputOptions>>;
  /** Scores that it gives; the number of labels by default. */
  readonly classCount?: number;
  /**
   * Class names in the order of the scores, or the name of a list that is known here: "imagenet", "pascal-voc", "coco"
   * (80 classes), "coco-by-number" (91, the background first). In a file: one per line, a path relative to the
   * configuration.
   */
  readonly labels?: readonly string[] | LabelListName;
  /** How its outputs become boxes, if it is a detector without family. */
  readonly detector?: DetectorOptions;
  readonly detection?: DetectionOptions;
  /**
   * Versions whose picture, outputs or labels differ from those of the model. Calls that name no version are then sent to
   * the highest version that replicas have, so that no answer is read as that of another version.
   */
  readonly versions?: readonly VersionOptions[];
  /** Pictures that a replica must label as expected before it gets calls. */
  readonly golden?: GoldenOptions;
  /** Classes that were taught on the features of another model. Everything else comes from that model and the head. */
  readonly head?: HeadOptions;
  /**
   * Caches responses, and coalesces identical calls in flight; `cache` of the gateway sets the size.
   * @default false
   */
  readonly cache?: boolean;
  /**
   * Whether a request may be done twice with the same result: only then is a request that may have reached a replica
   * retried at another one, and only then may responses be cached. True for families and for models whose input is
   * described, false for other models.
   */
  readonly idempotent?: boolean;
  /** Regions that it may be served in, whatever a call says; wherever there are pools for it without this. */
  readonly residency?: readonly string[];
  /**
   * Sends a call that takes far longer than usual to a second replica, where one is idle, and takes the first answer.
   * @default false
   */
  readonly hedge?: boolean;
  /**
   * Where the weights come from; "seeded" ones give answers that mean nothing.
   * @default "given"
   */
  readonly weights?: "trained" | "seeded" | "given";
}

const name = z.string().min(1);
const output = z.strictObject({
  tensor: tensorName.optional(),
  holds: z.enum(outputHolds).describe("What the output holds."),
});

const labelsSchema = z.union([z.array(z.string()).min(1), z.enum(labelListNames)]).optional();

const versionSchema = z.strictObject({
  version: versionNumber.describe("Number of the version."),
  signature: name.optional().describe("Signature that input and output describe."),
  input: inputSchema.optional().describe("Input of this version."),
  output: z.record(z.string(), output).optional().describe("Outputs of this version by name."),
  classCount: z.int().min(1).max(1_000_000).optional().describe("Number of scores."),
  labels: labelsSchema.describe("Class names of this version, in the order of the scores."),
  detector: detectorSchema.optional().describe("How outputs become boxes."),
  detection: detectionSchema.optional().describe("Selection of a detector's boxes."),
});

/** The form of a model's description; `modelFaults` reports what it cannot mean. */
export const modelFormSchema: z.ZodType<ModelOptions> = z.strictObject({
  name: name.describe("Name of the model for callers and at the replicas."),
  family: z
    .enum(familyNames)
    .optional()
    .describe("A known topology, with its tensor names, preprocessing and labels."),
  variant: z.enum(familyVariants).optional().describe("The float SSD-VGG takes pixels."),
  task: z
    .enum(["classify", "detect", "embed", "predict"])
    .optional()
    .describe("Main task of the model."),
  input: inputSchema.optional().describe("The model's input."),
  signature: name.optional().describe("Signature that input and output describe."),
  output: z.record(z.string(), output).optional().describe("The model's outputs by name."),
  classCount: z.int().min(1).max(1_000_000).optional().describe("Number of scores."),
  labels: labelsSchema.describe("Class names, in the order of the scores."),
  cache: z.boolean().optional().describe("Caches responses and coalesces identical requests."),
  idempotent: z.boolean().optional().describe("Whether a request may be executed more than once."),
  residency: z
    .array(z.string().min(1))
    .min(1)
    .optional()
    .describe("Regions that may serve the model."),
  hedge: z.boolean().optional().describe("Hedges slow calls at a second replica."),
  detector: detectorSchema.optional().describe("How outputs become boxes."),
  detection: detectionSchema.optional().describe("Selection of a detector's boxes."),
  versions: z
    .array(versionSchema)
    .min(1)
    .max(1_000)
    .optional()
    .describe("Versions that differ from the model in input, outputs or labels."),
  golden: goldenSchema.optional().describe("Pictures that replicas must label as expected."),
  head: headSchema.optional().describe("Classes taught on the features of another model."),
  weights: z.enum(["trained", "seeded", "given"]).optional().describe("Origin of the weights."),
}) as z.ZodType<ModelOptions>;
