import {
  bytesPerElement,
  type DType,
  type OutputHolds,
  type Preprocessing,
  type Weights,
} from "@tensorgate/core";

import { type DetectorOptions, type FamilyName, familyNames } from "@tensorgate/tf-serving";
import { z } from "zod";
import { type WrittenDType, type WrittenValues, writtenDTypes } from "./manifest-values.ts";

/** Values that the manifest writes down: numbers, or texts. */
export interface ManifestValues {
  /** Without open extents. */
  readonly shape: readonly number[];
  /** If they are fewer than the shape says, the last one fills the rest. */
  readonly values: WrittenValues;
}

/** A feature of the examples that an input takes. */
export interface ManifestFeature {
  readonly dtype: "FP32" | "INT64" | "BYTES";
  /** Shape of the feature in one example. */
  readonly shape: readonly number[];
  /** Name of the tensor in the ONNX model that takes the features of all examples; the feature's name by default. */
  readonly tensor?: string;
  /** Values for an example without the feature; without them it is required. */
  readonly default?: WrittenValues;
}

/** An input of a signature. */
export interface ManifestInput {
  readonly dtype: DType;
  /** -1 for an open extent; absent for an unknown rank. */
  readonly shape: readonly number[] | undefined;
  /** Name in the ONNX model; the name in the signature by default. */
  readonly tensor?: string;
  /** Name that `GetModelMetadata` reports, such as `x:0`; the name in the signature with `:0` by default. */
  readonly graphName?: string;
  /** Stands in where a `Predict` request leaves the input out. */
  readonly default?: ManifestValues;
  /** Makes an input of serialized `tensorflow.Example`s, as `Classify` and `Regress` have it, out of these features. */
  readonly examples?: Readonly<Record<string, ManifestFeature>>;
  /** Makes an input of encoded pictures out of the float one that the ONNX model has. */
  readonly picture?: { readonly tensor: string; readonly preprocessing: Preprocessing };
}

export interface ManifestOutput {
  readonly dtype: DType;
  readonly shape: readonly number[] | undefined;
  readonly tensor?: string;
  readonly graphName?: string;
  /** What its numbers are. */
  readonly holds: OutputHolds;
}

export interface ManifestSignature {
  /** Method that `GetModelMetadata` reports. Which calls it answers, its tensors decide. */
  readonly method?: "predict" | "classify" | "regress";
  /** Inputs of the ONNX model that the signature does not have, by their names in the model. */
  readonly constants?: Readonly<Record<string, ManifestValues & { readonly dtype: WrittenDType }>>;
  readonly inputs: Readonly<Record<string, ManifestInput>>;
  readonly outputs: Readonly<Record<string, ManifestOutput>>;
}

/** What `manifest.json` beside a model says of it. */
export interface Manifest {
  readonly description?: string;
  /** Where the weights come from; the answers of seeded ones mean nothing. */
  readonly weights: Weights;
  /** Topology that it is of: says what its tensors are called in each dialect, and what its classes are. */
  readonly family?: FamilyName;
  /** How a gateway makes boxes of its outputs. Only a gateway reads that, and reports what is wrong with it. */
  readonly detector?: DetectorOptions;
  /** Scores of each box, where other values follow them. */
  readonly classCount?: number;
  /** Class names, in the order of the scores; may be empty. */
  readonly labels: readonly string[];
  readonly signatures: Readonly<Record<string, ManifestSignature>>;
  /**
   * What `GetModelMetadata` answers in place of `signatures`: a `SignatureDefMap`, from `signatures.pb` beside the
   * manifest. A model that was converted has parts in it that no call needs.
   */
  readonly encodedSignatures?: Uint8Array;
}

const dtypes = ["BYTES", ...Object.keys(bytesPerElement)] as [DType, ...DType[]];
const shape = z.array(z.int().min(-1)).optional();

const preprocessing = z.strictObject({
  resize: z.discriminatedUnion("kind", [
    z.strictObject({
      kind: z.literal("warp"),
      heightPx: z.int().min(1),
      widthPx: z.int().min(1),
    }),
    z.strictObject({
      kind: z.literal("shorter-side"),
      px: z.int().min(1),
      crop: z.strictObject({ heightPx: z.int().min(1), widthPx: z.int().min(1) }),
    }),
    z.strictObject({
      kind: z.literal("letterbox"),
      heightPx: z.int().min(1),
      widthPx: z.int().min(1),
      padValue: z.number(),
      padding: z.enum(["both-sides", "end"]),
    }),
    z.strictObject({
      kind: z.literal("fit"),
      shorterPx: z.int().min(1).optional(),
      longerPx: z.int().min(1),
    }),
  ]),
  coordinates: z.enum(["tensorflow-1", "half-pixel"]),
  channelOrder: z.enum(["rgb", "bgr", "grayscale"]),
  mean: z.tuple([z.number(), z.number(), z.number()]),
  scale: z.union([z.number(), z.tuple([z.number(), z.number(), z.number()])]),
  layout: z.enum(["nhwc", "nchw", "hwc", "chw"]).optional(),
  dtype: z.enum(["FP32", "FP16", "UINT8"]).optional(),
});

const fixedShape = z.array(z.int().min(0));
const writtenValues = z.array(z.union([z.number(), z.string()])).min(1);
const values = z.strictObject({ shape: fixedShape, values: writtenValues });

const feature = z.strictObject({
  dtype: z.enum(["FP32", "INT64", "BYTES"]),
  shape: fixedShape,
  tensor: z.string().optional(),
  default: writtenValues.optional(),
});

const input = z.strictObject({
  dtype: z.enum(dtypes),
  shape,
  tensor: z.string().optional(),
  graphName: z.string().optional(),
  default: values.optional(),
  examples: z.record(z.string(), feature).optional(),
  picture: z.strictObject({ tensor: z.string(), preprocessing }).optional(),
});

const output = z.strictObject({
  dtype: z.enum(dtypes),
  shape,
  tensor: z.string().optional(),
  graphName: z.string().optional(),
  holds: z.enum(["probabilities", "logits", "features", "boxes", "tensor"]).default("tensor"),
});

const signature = z.strictObject({
  method: z.enum(["predict", "classify", "regress"]).optional(),
  constants: z.record(z.string(), values.extend({ dtype: z.enum(writtenDTypes) })).optional(),
  inputs: z.record(z.string(), input),
  outputs: z.record(z.string(), output),
});

const manifestSchema = z.strictObject({
  description: z.string().optional(),
  weights: z.enum(["trained", "seeded", "given"]),
  family: z.enum(familyNames).optional(),
  detector: z.record(z.string(), z.unknown()).optional(),
  classCount: z.int().min(1).optional(),
  labels: z.array(z.string()).default([]),
  signatures: z.record(z.string(), signature),
}) as unknown as z.ZodType<Manifest>;

/** A folder that cannot be served, and why. */
export class ModelFolderError extends Error {
  override readonly name = "ModelFolderError";
}

/**
 * @param file - for messages only
 * @throws ModelFolderError that lists every fault with its path
 */
export function parseManifest(text: string, file: string): Manifest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new ModelFolderError(`${file} is not valid JSON: ${(cause as Error).message}`, { cause });
  }
  const parsed = manifestSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map(({ path, message }) => `  ${path.join(".")}: ${message}`);
  throw new ModelFolderError(`invalid manifest ${file}:\n${faults.join("\n")}`);
}
