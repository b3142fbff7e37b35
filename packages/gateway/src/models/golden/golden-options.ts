import { z } from "zod";
import { durationMs } from "../../setting-schemas.ts";

/** A picture whose label is known. */
export interface GoldenPictureOptions {
  /** File of the picture, relative to the configuration. */
  readonly file: string;
  /** Label that the model must rank first; of a detector that of its best box. */
  readonly label: string;
}

/** Pictures that a replica must label as expected before it gets calls of the model. */
export interface GoldenOptions {
  readonly pictures: readonly GoldenPictureOptions[];
  /**
   * Share of the pictures that must have their label; 0..1.
   * @default 1
   */
  readonly minShare?: number;
  /**
   * How often they are scored again, in milliseconds. A new version is always asked.
   * @default 600_000
   */
  readonly everyMs?: number;
}

export const goldenDefaults: Required<Omit<GoldenOptions, "pictures">> = {
  minShare: 1,
  everyMs: 600_000,
};

export const goldenSchema: z.ZodType<GoldenOptions> = z.strictObject({
  pictures: z
    .array(
      z.strictObject({
        file: z.string().min(1).describe("File of the picture."),
        label: z.string().min(1).describe("Expected label."),
      }),
    )
    .min(1)
    .max(64)
    .describe("Pictures whose labels are known."),
  minShare: z.number().min(0).max(1).optional().describe("Share that must have their label."),
  everyMs: durationMs.optional().describe("Interval of the check, in milliseconds."),
}) as z.ZodType<GoldenOptions>;
