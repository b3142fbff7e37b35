import { z } from "zod";

/** A version of a head. */
export interface HeadVersionOptions {
  /** From 0 on; a text beyond 1,000,000,000. */
  readonly version: number | string;
  /** Text of the head, as `tensorgate teach` writes it. In a file: `file`, a path relative to the configuration. */
  readonly document: string;
}

/** Classes that were taught on the features of another model. */
export interface HeadOptions {
  /** The model whose features the head reads: it takes pictures, and has an output with `holds: features`. */
  readonly of: string;
  /** Versions; the highest one answers calls that name none. */
  readonly versions: readonly HeadVersionOptions[];
  /** Versions by names such as "stable", for calls with a version label. */
  readonly aliases?: Readonly<Record<string, number | string>>;
}

/** Number of a version: beyond a billion as text, since numbers of JSON cannot hold 64 bits. */
export const versionNumber: z.ZodType<number | string> = z.union([
  z.int().min(0).max(1_000_000_000),
  z.string().regex(/^\d{1,19}$/),
]);

export const headSchema: z.ZodType<HeadOptions> = z.strictObject({
  of: z.string().min(1).describe("Model whose features the head reads."),
  versions: z
    .array(
      z.strictObject({
        version: versionNumber.describe("Number of the version."),
        document: z.string().min(1).describe("Text of the head; in a file, use `file`."),
      }),
    )
    .min(1)
    .max(1_000)
    .describe("Versions of the head."),
  aliases: z
    .record(z.string().min(1), versionNumber)
    .optional()
    .describe("Versions by names, such as stable."),
}) as z.ZodType<HeadOptions>;
