import type { ChannelOrder, Padding, PerChannel, PixelLayout, PixelType } from "@tensorgate/core";
import { type Dialect, dialects } from "@tensorgate/tf-serving";
import { z } from "zod";

const coordinates = ["half-pixel", "tensorflow-1"] as const;
const pictureFormats = ["jpeg", "png", "gif", "webp", "avif"] as const;
const resizes = ["stretch", "crop", "letterbox", "fit"] as const;

/** A name that a tensor has in every dialect, or its name in each of some dialects. */
export type TensorNameOptions = string | Readonly<Partial<Record<Dialect, string>>>;

/** How a picture becomes the size that a model takes. */
export interface ResizeOptions {
  /** Height of the model's input, in pixels; the family's by default. Clients send no picture that is much larger. */
  readonly heightPx?: number;
  /** Width, likewise. */
  readonly widthPx?: number;
  /**
   * `stretch` both sides, `crop` the middle, `letterbox` (pad what is missing), or `fit` the size of the input to the
   * picture. By default the family's or the detector's, `crop` with `shorterSidePx`, and else `stretch`.
   */
  readonly resize?: (typeof resizes)[number];
  /** Length of the shorter side before the middle is cut out, or in a picture that is fitted, in pixels. */
  readonly shorterSidePx?: number;
  /**
   * Longest that the longer side of a picture that is fitted becomes, in pixels.
   * @default 1_333
   */
  readonly longerSidePx?: number;
  /**
   * Value of padded pixels, 0..255.
   * @default 114
   */
  readonly padValue?: number;
  /**
   * Pads on both sides of the picture, or only below and to the right of it.
   * @default "both-sides"
   */
  readonly padding?: Padding;
}

export const resizeDefaults: Required<
  Pick<ResizeOptions, "longerSidePx" | "padValue" | "padding">
> = { longerSidePx: 1_333, padValue: 114, padding: "both-sides" };

export interface EncodedInputOptions extends ResizeOptions {
  /** Name of the tensor; the family's by default. */
  readonly tensor?: TensorNameOptions;
  /**
   * The model decodes the picture itself. How it resizes pictures is needed where its boxes are in pixels of what
   * comes of that.
   * @default "encoded-image"
   */
  readonly kind?: "encoded-image";
  /**
   * Formats that the model can decode; others are converted before they are sent.
   * @default ["jpeg", "png"]
   */
  readonly formats?: readonly (typeof pictureFormats)[number][];
  /**
   * Sends the picture as a scalar string, for a graph that decodes one picture, rather than as a batch of one.
   * @default false
   */
  readonly scalar?: boolean;
}

export interface PixelInputOptions extends ResizeOptions {
  /** Name of the tensor; the family's by default. */
  readonly tensor?: TensorNameOptions;
  /** The gateway decodes the picture, and sends its pixels. What is left out is the family's or the detector's. */
  readonly kind: "pixels";
  /**
   * How positions of the resized picture are found in the original.
   * @default "half-pixel"
   */
  readonly coordinates?: (typeof coordinates)[number];
  /**
   * Order of the channels in the tensor; `grayscale` sends one channel, the luma.
   * @default "rgb"
   */
  readonly channelOrder?: ChannelOrder;
  /**
   * Subtracted from red, green and blue, in pixel units (0..255).
   * @default [0,0,0]
   */
  readonly mean?: PerChannel;
  /**
   * What remains is multiplied by this, or by one number for each of red, green and blue.
   * @default 1
   */
  readonly scale?: number | PerChannel;
  /**
   * Order of the tensor's axes: batch (1), height, width, channels; `hwc` and `chw` have no batch axis.
   * @default "nhwc"
   */
  readonly layout?: PixelLayout;
  /**
   * Type of the tensor's elements. UINT8 is rounded, and cut to 0..255.
   * @default "FP32"
   */
  readonly dtype?: PixelType;
}

export type InputOptions = EncodedInputOptions | PixelInputOptions;

/** Name of a tensor as it is configured. */
export const tensorName: z.ZodType<TensorNameOptions> = z
  .union([z.string().min(1), z.partialRecord(z.enum(dialects), z.string().min(1))])
  .describe("Name of the tensor, or its name in each dialect.") as z.ZodType<TensorNameOptions>;

const sidePx = z.int().min(1).max(4_096).optional();
const resize = {
  heightPx: sidePx.describe("Height of the model's input, in pixels."),
  widthPx: sidePx.describe("Width of the model's input, in pixels."),
  resize: z.enum(resizes).optional().describe("How pictures are resized."),
  shorterSidePx: sidePx.describe("Length of the shorter side when cropping or fitting, in pixels."),
  longerSidePx: sidePx.describe("Maximum length of the longer side when fitting, in pixels."),
  padValue: z.number().min(0).max(255).optional().describe("Value of padded pixels."),
  padding: z.enum(["both-sides", "end"]).optional().describe("Where a letterbox pads."),
};

const encodedInput = z.strictObject({
  tensor: tensorName.optional(),
  kind: z.literal("encoded-image").optional().describe("The model decodes the picture itself."),
  formats: z
    .array(z.enum(pictureFormats))
    .min(1)
    .optional()
    .describe("Formats that the model decodes."),
  scalar: z.boolean().optional().describe("Sends the picture as a scalar string."),
  ...resize,
});

const perChannel = z.tuple([z.number(), z.number(), z.number()]);
const pixelInput = z.strictObject({
  tensor: tensorName.optional(),
  kind: z.literal("pixels").describe("The gateway decodes the picture."),
  ...resize,
  coordinates: z.enum(coordinates).optional().describe("Coordinate mapping of the resize."),
  channelOrder: z
    .enum(["rgb", "bgr", "grayscale"])
    .optional()
    .describe("Order of the channels; grayscale sends one."),
  mean: perChannel.optional().describe("Mean to subtract from red, green and blue."),
  scale: z
    .union([z.number(), perChannel])
    .optional()
    .describe("Scale to multiply with after the mean is subtracted."),
  layout: z.enum(["nhwc", "nchw", "hwc", "chw"]).optional().describe("Order of the axes."),
  dtype: z.enum(["FP32", "FP16", "UINT8"]).optional().describe("Element type of the tensor."),
});

/** The picture that a model takes. */
export const inputSchema: z.ZodType<InputOptions> = z.discriminatedUnion("kind", [
  encodedInput,
  pixelInput,
]) as unknown as z.ZodType<InputOptions>;
