import {
  type Coordinates,
  type FixedSizeTensor,
  float32Tensor,
  type PerChannel,
  type Preprocessing,
  type Resize,
} from "@tensorgate/core";
import type { RgbImage } from "./decode-picture.ts";
import { type ResizeTarget, resizeBilinear } from "./resize-bilinear.ts";

/**
 * Turns decoded pixels into the batch of one that a model takes: `(pixel − mean[channel]) × scale[channel]`.
 *
 * @returns FP32 tensor of shape `[1, heightPx, widthPx, 3]`, or `[1, 3, heightPx, widthPx]` where the layout says so
 */
export function preprocessPicture(image: RgbImage, preprocessing: Preprocessing): FixedSizeTensor {
  const { resize, coordinates, channelOrder, mean, scale, layout = "nhwc" } = preprocessing;
  const target = resizeTarget(image, resize, coordinates);
  const { heightPx, widthPx } = target.window ?? target;
  const values = resizeBilinear(image, target);
  const [red, green, blue] = mean;
  const [redScale, greenScale, blueScale] = perChannel(scale);
  for (let at = 0; at < values.length; at += 3) {
    const r = ((values[at] as number) - red) * redScale;
    const g = ((values[at + 1] as number) - green) * greenScale;
    const b = ((values[at + 2] as number) - blue) * blueScale;
    values[at] = channelOrder === "rgb" ? r : b;
    values[at + 1] = g;
    values[at + 2] = channelOrder === "rgb" ? b : r;
  }
  return layout === "nhwc"
    ? float32Tensor([1, heightPx, widthPx, 3], values)
    : float32Tensor([1, 3, heightPx, widthPx], planes(values));
}

function perChannel(scale: number | PerChannel): PerChannel {
  return typeof scale === "number" ? [scale, scale, scale] : scale;
}

/** `[h, w, 3]` as `[3, h, w]`. */
function planes(values: Float32Array): Float32Array {
  const planeSize = values.length / 3;
  const result = new Float32Array(values.length);
  for (let pixel = 0; pixel < planeSize; pixel += 1) {
    for (let channel = 0; channel < 3; channel += 1) {
      result[channel * planeSize + pixel] = values[pixel * 3 + channel] as number;
    }
  }
  return result;
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
