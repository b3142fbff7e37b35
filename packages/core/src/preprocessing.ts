/**
 * Where a pixel of the result lies in the source: `tensorflow-1` at `position × scale`, `half-pixel`
 * (TensorFlow 2) at `(position + 0.5) × scale − 0.5`.
 */
export type Coordinates = "tensorflow-1" | "half-pixel";

/** How a picture becomes the size that a model takes. */
export type Resize =
  /** Both sides as they are asked for, whatever that does to the proportions. */
  | { readonly kind: "warp"; readonly heightPx: number; readonly widthPx: number }
  /** The shorter side becomes `px`, then the middle is cut out. */
  | {
      readonly kind: "shorter-side";
      readonly px: number;
      readonly crop: { readonly heightPx: number; readonly widthPx: number };
    }
  /** As large as it fits in with its proportions; the rest is filled with `padValue` (0..255). */
  | {
      readonly kind: "letterbox";
      readonly heightPx: number;
      readonly widthPx: number;
      readonly padValue: number;
      /** Pads on both sides of the picture, or only below and to the right of it. */
      readonly padding: Padding;
    }
  /**
   * Keeps the proportions, and pads nothing: the tensor has the size of the picture. Its shorter side becomes
   * `shorterPx` where that is given, and its longer one at most `longerPx`.
   */
  | { readonly kind: "fit"; readonly shorterPx?: number; readonly longerPx: number };

export type Padding = "both-sides" | "end";

/** Element types that pixels are sent in. */
export type PixelType = "FP32" | "FP16" | "UINT8";

/** Order of the axes of pixels: the batch (1), height, width and channels; without the batch in the last two. */
export type PixelLayout = "nhwc" | "nchw" | "hwc" | "chw";

/** What the channels of pixels are: three colors in either order, or one of luma. */
export type ChannelOrder = "rgb" | "bgr" | "grayscale";

/** A value for each channel. */
export type PerChannel = readonly [red: number, green: number, blue: number];

/** Everything between decoded pixels and the tensor of a model. */
export interface Preprocessing {
  readonly resize: Resize;
  readonly coordinates: Coordinates;
  readonly channelOrder: ChannelOrder;
  /** Subtracted from red, green and blue, in pixel units (0..255). */
  readonly mean: PerChannel;
  /** What remains is multiplied by this: the same for all, or one for each of red, green and blue. */
  readonly scale: number | PerChannel;
  /** `nhwc` by default. */
  readonly layout?: PixelLayout;
  /** FP32 by default. What is sent as UINT8 is rounded, and cut to 0..255. */
  readonly dtype?: PixelType;
}
