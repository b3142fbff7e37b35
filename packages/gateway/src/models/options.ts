import {
  type DecoderOptions,
  decoderDefaults,
  defaultMaxSidePx,
  type OptionalFormat,
  optionalFormats,
} from "@tensorgate/imaging";
import { z } from "zod";
import { countLimit, durationMs, memoryBytes } from "../setting-schemas.ts";
import { modelFaults } from "./model-faults.ts";
import { labelListNames, type ModelOptions, modelFormSchema } from "./release-options.ts";

export { labelsFromText, textFromUtf8 } from "@tensorgate/core";
export type { DecoderOptions, ModelOptions };
export { decoderDefaults };

/** Whether a model's labels are a list that is known here, rather than those in a file of that name. */
export function isLabelListName(text: string): boolean {
  return labelListNames.some((name) => name === text);
}

export interface PictureOptions {
  /**
   * Pictures in one call.
   * @default 64
   */
  readonly maxPictures?: number;
  /**
   * Pixels of one picture.
   * @default 25_000_000
   */
  readonly maxPixels?: number;
  /**
   * Pixels of the longer side of one picture.
   * @default 16_384
   */
  readonly maxSidePx?: number;
  /**
   * Pictures of one call that are scored at the same time.
   * @default 8
   */
  readonly maxConcurrentPictures?: number;
  /**
   * Formats that are converted beside the usual ones: "tiff", "heic". The usual build of libvips decodes no HEIC.
   * @default []
   */
  readonly additionalFormats?: readonly OptionalFormat[];
}

export const pictureDefaults: Required<PictureOptions> = {
  maxPictures: 64,
  maxPixels: 25_000_000,
  maxSidePx: defaultMaxSidePx,
  maxConcurrentPictures: 8,
  additionalFormats: [],
};

export const pictureSchema: z.ZodType<PictureOptions> = z.strictObject({
  maxPictures: countLimit.optional().describe("Maximum pictures in one call."),
  maxPixels: z
    .int()
    .min(1)
    .max(1_000_000_000)
    .optional()
    .describe("Maximum pixels of one picture."),
  maxSidePx: countLimit.optional().describe("Maximum pixels of the longer side of a picture."),
  maxConcurrentPictures: countLimit
    .optional()
    .describe("Pictures of one call that are scored concurrently."),
  additionalFormats: z
    .array(z.enum(optionalFormats))
    .optional()
    .describe("Additional formats to convert."),
}) as z.ZodType<PictureOptions>;

export const modelSchema: z.ZodType<ModelOptions> = modelFormSchema.superRefine(
  (options, context) => {
    for (const { path, message } of modelFaults(options)) {
      context.addIssue({ code: "custom", path: [...path], message });
    }
  },
);

export const decoderSchema: z.ZodType<DecoderOptions> = z.strictObject({
  processes: countLimit.optional().describe("Decoder processes."),
  maxWaiting: countLimit.optional().describe("Maximum pictures waiting for a decoder."),
  maxWaitingPerCaller: countLimit
    .optional()
    .describe("Maximum pictures of one caller waiting for a decoder."),
  timeoutMs: durationMs
    .optional()
    .describe("Time limit for decoding one picture, in milliseconds."),
  maxMemoryBytes: memoryBytes
    .optional()
    .describe("Memory at which a decoder process is replaced, in bytes."),
}) as z.ZodType<DecoderOptions>;
