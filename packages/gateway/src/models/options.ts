import { z } from "zod";

const outputHolds = ["probabilities", "logits", "features", "tensor"] as const;
const pictureFormats = ["jpeg", "png", "gif", "webp", "avif"] as const;

export interface OutputOptions {
  /**
   * Name of the tensor. The default is the name under which the output is listed.
   */
  readonly tensor?: string;
  /** What its numbers are. */
  readonly holds: (typeof outputHolds)[number];
}

export interface ModelOptions {
  readonly name: string;
  /**
   * What it is asked for first; the outputs decide when this is absent.
   */
  readonly task?: "classify" | "embed" | "predict";
  /** The picture that the model takes. Without it the model is scored by tensors only. */
  readonly input?: {
    readonly tensor: string;
    /** The model decodes the picture itself. */
    readonly kind: "encoded-image";
    /**
     * Formats that the model can decode; others are refused before they are sent.
     * @default ["jpeg", "png", "gif"]
     */
    readonly formats?: readonly (typeof pictureFormats)[number][];
  };
  readonly output?: Readonly<Record<string, OutputOptions>>;
  /** Class names in the order of the scores. In a file: one per line, a path relative to the configuration. */
  readonly labels?: readonly string[];
  /**
   * Where the weights come from; "seeded" ones give answers that mean nothing.
   * @default "given"
   */
  readonly weights?: "trained" | "seeded" | "given";
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
   * Pictures of one call that are scored at the same time.
   * @default 8
   */
  readonly maxConcurrentPictures?: number;
}

export const pictureDefaults: Required<PictureOptions> = {
  maxPictures: 64,
  maxPixels: 25_000_000,
  maxConcurrentPictures: 8,
};

export const pictureSchema: z.ZodType<PictureOptions> = z.strictObject({
  maxPictures: z.int().min(1).optional().describe("Pictures in one call."),
  maxPixels: z.int().min(1).optional().describe("Pixels of one picture."),
  maxConcurrentPictures: z
    .int()
    .min(1)
    .optional()
    .describe("Pictures of one call that are scored at the same time."),
}) as z.ZodType<PictureOptions>;

const output = z.strictObject({
  tensor: z.string().min(1).optional().describe("Name of the tensor; by default the key above."),
  holds: z.enum(outputHolds).describe("What its numbers are."),
});

export const modelSchema: z.ZodType<ModelOptions> = z.strictObject({
  name: z.string().min(1).describe("The name callers use, and the name the replicas know it by."),
  task: z.enum(["classify", "embed", "predict"]).optional().describe("What it is asked for first."),
  input: z
    .strictObject({
      tensor: z.string().min(1).describe("Name of the input tensor."),
      kind: z.literal("encoded-image").describe("The model decodes the picture itself."),
      formats: z.array(z.enum(pictureFormats)).min(1).optional().describe("What it can decode."),
    })
    .optional()
    .describe("The picture that the model takes."),
  output: z.record(z.string(), output).optional().describe("Its outputs by name."),
  labels: z
    .array(z.string())
    .min(1)
    .optional()
    .describe("Class names, in the order of the scores."),
  weights: z
    .enum(["trained", "seeded", "given"])
    .optional()
    .describe("Where the weights come from."),
}) as z.ZodType<ModelOptions>;
