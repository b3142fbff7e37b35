import type { Plane, ResizedPicture } from "../convert/value.ts";
import type { PictureSize } from "./declare.ts";

/** A decoded picture, of which it is computed what the graph makes of it. */
export interface DecodedPicture extends PictureSize {
  /** Red, green and blue of each pixel: `[heightPx, widthPx, 3]`, row-major. */
  readonly pixels: Uint8Array;
}

/**
 * Returns the channels of a decoded picture: three, or one of luma.
 *
 * @see ITU-R BT.601, which JPEG has luma by
 */
export function decodedPlanes(pixels: Uint8Array, count: number): readonly Plane[] {
  const at = (pixel: number, channel: number) => pixels[pixel * 3 + channel] as number;
  const sampled =
    count === 3
      ? at
      : (pixel: number) => 0.299 * at(pixel, 0) + 0.587 * at(pixel, 1) + 0.114 * at(pixel, 2);
  return Array.from({ length: count }, (_, channel) =>
    Float32Array.from({ length: pixels.length / 3 }, (_, pixel) => sampled(pixel, channel)),
  );
}

/**
 * Resizes a channel as the operator `ResizeBilinear` does, in float32 step by step.
 *
 * @see tensorflow/core/kernels/image/resize_bilinear_op.cc
 */
export function resizedPlane(plane: Plane, from: PictureSize, to: ResizedPicture): Plane {
  const rows = samples(from.heightPx, to.heightPx, to.coordinates);
  const columns = samples(from.widthPx, to.widthPx, to.coordinates);
  const result = new Float32Array(to.heightPx * to.widthPx);
  let at = 0;
  for (const row of rows) {
    for (const column of columns) {
      const across = (source: number) => {
        const left = plane[source * from.widthPx + column.lower] as number;
        const right = plane[source * from.widthPx + column.upper] as number;
        return between(left, right, column.share);
      };
      result[at++] = between(across(row.lower), across(row.upper), row.share);
    }
  }
  return result;
}

const { fround } = Math;
const between = (one: number, other: number, share: number) =>
  fround(one + fround(fround(other - one) * share));

/** Between which two places of the source a place of the result lies, and how far towards the second. */
interface Sample {
  readonly lower: number;
  readonly upper: number;
  readonly share: number;
}

function samples(
  size: number,
  count: number,
  coordinates: ResizedPicture["coordinates"],
): readonly Sample[] {
  const isCorners = coordinates === "align-corners" && count > 1;
  const scale = fround(isCorners ? (size - 1) / (count - 1) : size / count);
  return Array.from({ length: count }, (_, place) => {
    const source =
      coordinates === "half-pixel"
        ? fround(fround(fround(place + 0.5) * scale) - 0.5)
        : fround(place * scale);
    const lower = Math.max(0, Math.floor(source));
    return {
      lower,
      upper: Math.min(Math.ceil(source), size - 1),
      share: fround(source - Math.floor(source)),
    };
  });
}

/** Returns a part of a channel, which lies inside of it. */
export function croppedPlane(
  plane: Plane,
  widthPx: number,
  part: PictureSize & { readonly topPx: number; readonly leftPx: number },
): Plane {
  const result = new Float32Array(part.heightPx * part.widthPx);
  for (let row = 0; row < part.heightPx; row += 1) {
    const start = (row + part.topPx) * widthPx + part.leftPx;
    result.set(plane.subarray(start, start + part.widthPx), row * part.widthPx);
  }
  return result;
}

/** Returns channels as a tensor has them: `[heightPx, widthPx, channels]`. */
export function interleaved(planes: readonly Plane[]): Float32Array<ArrayBuffer> {
  const [first] = planes;
  const result = new Float32Array((first?.length ?? 0) * planes.length);
  for (const [channel, plane] of planes.entries()) {
    for (let pixel = 0; pixel < plane.length; pixel += 1) {
      result[pixel * planes.length + channel] = plane[pixel] as number;
    }
  }
  return result;
}
