import {
  type FixedSizeTensor,
  fixedSizeTensor,
  float16Bits,
  float32Tensor,
  type PerChannel,
  type PixelLayout,
  type PixelType,
  type Preprocessing,
  placementOf,
} from "@tensorgate/core";
import type { RgbImage } from "./decode-picture.ts";
import { resizeBilinear } from "./resize-bilinear.ts";

/**
 * Turns decoded pixels into the tensor that a model takes: `(pixel − mean[channel]) × scale[channel]`, of one picture.
 *
 * @returns FP32 tensor of shape `[1, heightPx, widthPx, 3]`, unless the layout, the channels or the element type say
 *   otherwise
 */
export function preprocessPicture(image: RgbImage, preprocessing: Preprocessing): FixedSizeTensor {
  const { channelOrder, mean, scale, layout = "nhwc", dtype = "FP32" } = preprocessing;
  const { heightPx, widthPx, values } = resizedPixels(image, preprocessing);
  const [red, green, blue] = mean;
  const [redScale, greenScale, blueScale] = perChannel(scale);
  for (let at = 0; at < values.length; at += 3) {
    const r = ((values[at] as number) - red) * redScale;
    const g = ((values[at + 1] as number) - green) * greenScale;
    const b = ((values[at + 2] as number) - blue) * blueScale;
    values[at] = channelOrder === "bgr" ? b : r;
    values[at + 1] = g;
    values[at + 2] = channelOrder === "bgr" ? r : b;
  }
  if (channelOrder === "grayscale") {
    return tensorOf(dtype, shapeOf(layout, [heightPx, widthPx], 1), luma(values));
  }
  const inPlanes = layout === "nchw" || layout === "chw";
  const shape = shapeOf(layout, [heightPx, widthPx], 3);
  return tensorOf(dtype, shape, inPlanes ? planes(values) : values);
}

/**
 * The luma of red, green and blue, `[h, w, 1]`. It is a weighted mean, so that it makes no difference whether channels
 * are normalised before or after.
 *
 * @see ITU-R BT.601, whose weights JPEG, Pillow and TensorFlow use
 */
function luma(values: Float32Array): Float32Array {
  const result = new Float32Array(values.length / 3);
  for (let pixel = 0; pixel < result.length; pixel += 1) {
    const at = pixel * 3;
    const red = values[at] as number;
    const green = values[at + 1] as number;
    const blue = values[at + 2] as number;
    result[pixel] = 0.299 * red + 0.587 * green + 0.114 * blue;
  }
  return result;
}

interface Pixels {
  readonly heightPx: number;
  readonly widthPx: number;
  /** `[heightPx, widthPx, 3]`, 0..255. */
  readonly values: Float32Array;
}

/** The picture at the size that the model takes: cropped or padded where that is asked for. */
function resizedPixels(image: RgbImage, { resize, coordinates }: Preprocessing): Pixels {
  const { input, resized, topPx, leftPx } = placementOf(resize, image);
  // Beside the picture's own pixels there is nothing to compute: padding is filled in.
  const window = {
    topPx: Math.max(0, -topPx),
    leftPx: Math.max(0, -leftPx),
    heightPx: Math.min(input.heightPx, resized.heightPx),
    widthPx: Math.min(input.widthPx, resized.widthPx),
  };
  const values = resizeBilinear(image, { ...resized, window, coordinates });
  if (resize.kind !== "letterbox") return { ...input, values };
  const padded = new Float32Array(input.heightPx * input.widthPx * 3).fill(resize.padValue);
  const rowLength = window.widthPx * 3;
  for (let row = 0; row < window.heightPx; row += 1) {
    const from = values.subarray(row * rowLength, (row + 1) * rowLength);
    padded.set(from, ((row + topPx) * input.widthPx + leftPx) * 3);
  }
  return { ...input, values: padded };
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

function shapeOf(
  layout: PixelLayout,
  pixels: readonly [height: number, width: number],
  channelCount: number,
): readonly number[] {
  switch (layout) {
    case "nhwc":
      return [1, ...pixels, channelCount];
    case "nchw":
      return [1, channelCount, ...pixels];
    case "hwc":
      return [...pixels, channelCount];
    case "chw":
      return [channelCount, ...pixels];
  }
}

function tensorOf(
  dtype: PixelType,
  shape: readonly number[],
  values: Float32Array,
): FixedSizeTensor {
  switch (dtype) {
    case "FP32":
      return float32Tensor(shape, values);
    case "UINT8":
      return fixedSizeTensor(dtype, shape, new Uint8Array(Uint8ClampedArray.from(values).buffer));
    case "FP16": {
      const halves = new Uint16Array(values.length);
      for (let at = 0; at < values.length; at += 1) halves[at] = float16Bits(values[at] as number);
      return fixedSizeTensor(dtype, shape, new Uint8Array(halves.buffer));
    }
  }
}
