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
    };

/** A value for each channel. */
export type PerChannel = readonly [red: number, green: number, blue: number];

/** Everything between decoded pixels and the tensor of a model. */
export interface Preprocessing {
  readonly resize: Resize;
  readonly coordinates: Coordinates;
  readonly channelOrder: "rgb" | "bgr";
  /** Subtracted from red, green and blue, in pixel units (0..255). */
  readonly mean: PerChannel;
  /** What remains is multiplied by this: the same for all, or one for each of red, green and blue. */
  readonly scale: number | PerChannel;
  /** Order of the tensor's axes: `[1, height, width, 3]`, which is the default, or `[1, 3, height, width]`. */
  readonly layout?: "nhwc" | "nchw";
}
