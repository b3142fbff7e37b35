import { type FixedSizeTensor, float32Tensor } from "@tensorgate/core";
import type { RgbImage } from "./decode-picture.ts";
import { type Coordinates, type ResizeTarget, resizeBilinear } from "./resize-bilinear.ts";

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

/** Everything between decoded pixels and the tensor of a model. */
export interface Preprocessing {
  readonly resize: Resize;
  readonly coordinates: Coordinates;
  readonly channelOrder: "rgb" | "bgr";
  /** Subtracted from red, green and blue, in pixel units (0..255). */
  readonly mean: readonly [red: number, green: number, blue: number];
  /** What remains is multiplied by this. */
  readonly scale: number;
}

/** Means of the pictures that the classifiers were trained on, in pixel units. */
const imagenetMean = [123.68, 116.779, 103.939] as const;

/** What the graphs of ResNet and VGG do to a picture. */
export const classifierPreprocessing: Preprocessing = {
  resize: { kind: "shorter-side", px: 256, crop: { heightPx: 224, widthPx: 224 } },
  coordinates: "tensorflow-1",
  channelOrder: "rgb",
  mean: imagenetMean,
  scale: 1,
};

/** What the graph of SSD-VGG does to a picture. */
export const ssdPreprocessing: Preprocessing = {
  ...classifierPreprocessing,
  resize: { kind: "warp", heightPx: 300, widthPx: 300 },
};

/**
 * Turns decoded pixels into the batch of one that a model takes: `(pixel − mean[channel]) × scale`.
 *
 * @returns FP32 tensor of shape `[1, heightPx, widthPx, 3]`
 */
export function preprocessPicture(
  image: RgbImage,
  { resize, coordinates, channelOrder, mean, scale }: Preprocessing,
): FixedSizeTensor {
  const target = resizeTarget(image, resize, coordinates);
  const { heightPx, widthPx } = target.window ?? target;
  const values = resizeBilinear(image, target);
  const [red, green, blue] = mean;
  for (let at = 0; at < values.length; at += 3) {
    const r = ((values[at] as number) - red) * scale;
    const g = ((values[at + 1] as number) - green) * scale;
    const b = ((values[at + 2] as number) - blue) * scale;
    values[at] = channelOrder === "rgb" ? r : b;
    values[at + 1] = g;
    values[at + 2] = channelOrder === "rgb" ? b : r;
  }
  return float32Tensor([1, heightPx, widthPx, 3], values);
}

function resizeTarget(image: RgbImage, resize: Resize, coordinates: Coordinates): ResizeTarget {
  if (resize.kind === "warp") {
    return { heightPx: resize.heightPx, widthPx: resize.widthPx, coordinates };
  }
  const { px, crop } = resize;
  const factor = px / Math.min(image.heightPx, image.widthPx);
  // Both truncated, as the graph's casts to int do; a crop larger than the picture takes all of it.
  const heightPx = Math.max(crop.heightPx, Math.trunc(image.heightPx * factor));
  const widthPx = Math.max(crop.widthPx, Math.trunc(image.widthPx * factor));
  const window = {
    topPx: Math.trunc((heightPx - crop.heightPx) / 2),
    leftPx: Math.trunc((widthPx - crop.widthPx) / 2),
    ...crop,
  };
  return { heightPx, widthPx, window, coordinates };
}
