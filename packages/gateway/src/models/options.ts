import type { DecoderOptions } from "@tensorgate/imaging";
import { z } from "zod";

export type { DecoderOptions };

const outputHolds = ["probabilities", "logits", "features", "tensor"] as const;
const coordinates = ["half-pixel", "tensorflow-1"] as const;
const pictureFormats = ["jpeg", "png", "gif", "webp", "avif"] as const;

export interface OutputOptions {
  /**
   * Name of the tensor. The default is the name under which the output is listed.
   */
  readonly tensor?: string;
  /** What its numbers are. */
  readonly holds: (typeof outputHolds)[number];
}

export interface EncodedInputOptions {
  readonly tensor: string;
  /** The model decodes the picture itself. */
  readonly kind: "encoded-image";
  /**
   * Formats that the model can decode; others are refused before they are sent.
   * @default ["jpeg", "png", "gif"]
   */
  readonly formats?: readonly (typeof pictureFormats)[number][];
}

export interface PixelInputOptions {
  readonly tensor: string;
  /** The gateway decodes the picture: FP32 `[1, height, width, 3]` is sent. */
  readonly kind: "pixels";
  readonly heightPx: number;
  readonly widthPx: number;
  /**
   * Makes the shorter side this long and cuts out the middle. Without it both sides are stretched.
   */
  readonly shorterSidePx?: number;
  /**
   * How positions of the resized picture are found in the original.
   * @default "half-pixel"
   */
  readonly coordinates?: (typeof coordinates)[number];
  /**
   * Order of the channels in the tensor.
   * @default "rgb"
   */
  readonly channelOrder?: "rgb" | "bgr";
  /**
   * Subtracted from red, green and blue, in pixel units (0..255).
   * @default [0,0,0]
   */
  readonly mean?: readonly [red: number, green: number, blue: number];
  /**
   * What remains is multiplied by this.
   * @default 1
   */
  readonly scale?: number;
}

export interface ModelOptions {
  readonly name: string;
  /**
   * What it is asked for first; the outputs decide when this is absent.
   */
  readonly task?: "classify" | "embed" | "predict";
  /** The picture that the model takes. Without it the model is scored by tensors only. */
  readonly input?: EncodedInputOptions | PixelInputOptions;
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

const tensorName = z.string().min(1).describe("Name of the input tensor.");

const encodedInput = z.strictObject({
  tensor: tensorName,
  kind: z.literal("encoded-image").describe("The model decodes the picture itself."),
  formats: z.array(z.enum(pictureFormats)).min(1).optional().describe("What it can decode."),
});

const sidePx = z.int().min(1).max(4_096);

const pixelInput = z.strictObject({
  tensor: tensorName,
  kind: z.literal("pixels").describe("The gateway decodes the picture."),
  heightPx: sidePx.describe("Height of the tensor, in pixels."),
  widthPx: sidePx.describe("Width of the tensor, in pixels."),
  shorterSidePx: sidePx
    .optional()
    .describe("Makes the shorter side this long and cuts out the middle."),
  coordinates: z.enum(coordinates).optional().describe("How positions are found in the original."),
  channelOrder: z.enum(["rgb", "bgr"]).optional().describe("Order of the channels."),
  mean: z
    .tuple([z.number(), z.number(), z.number()])
    .optional()
    .describe("Subtracted from red, green and blue."),
  scale: z.number().optional().describe("What remains is multiplied by this."),
});

export const modelSchema: z.ZodType<ModelOptions> = z.strictObject({
  name: z.string().min(1).describe("The name callers use, and the name the replicas know it by."),
  task: z.enum(["classify", "embed", "predict"]).optional().describe("What it is asked for first."),
  input: z
    .discriminatedUnion("kind", [encodedInput, pixelInput])
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

const positive = z.int().min(1).optional();

export const decoderSchema: z.ZodType<DecoderOptions> = z.strictObject({
  processes: positive.describe("Processes that decode at the same time."),
  maxWaiting: positive.describe("Pictures that may wait for one."),
  timeoutMs: positive.describe("How long one picture may take, in milliseconds."),
  maxMemoryBytes: positive.describe("Memory after which a decoder is replaced, in bytes."),
}) as z.ZodType<DecoderOptions>;
