import type { Coordinates } from "@tensorgate/core";
import type { RgbImage } from "./decode-picture.ts";

/** The part of the resized picture that is wanted. */
export interface Window {
  readonly topPx: number;
  readonly leftPx: number;
  readonly heightPx: number;
  readonly widthPx: number;
}

export interface ResizeTarget {
  readonly heightPx: number;
  readonly widthPx: number;
  /** The whole of it unless said otherwise; what lies outside is not computed. */
  readonly window?: Window;
  readonly coordinates: Coordinates;
}

/**
 * Resizes as TensorFlow's `resize_bilinear` does: two neighbours each way, no antialiasing.
 *
 * @returns `[window.heightPx, window.widthPx, 3]`, row-major, 0..255
 * @see tensorflow/core/kernels/image/resize_bilinear_op.cc
 */
export function resizeBilinear(image: RgbImage, target: ResizeTarget): Float32Array {
  const { heightPx, widthPx, coordinates } = target;
  const window = target.window ?? { topPx: 0, leftPx: 0, heightPx, widthPx };
  const rows = neighbours(image.heightPx, heightPx, { coordinates, ...rowRange(window) });
  const columns = neighbours(image.widthPx, widthPx, { coordinates, ...columnRange(window) });
  const { pixels } = image;
  const stride = image.widthPx * 3;
  const result = new Float32Array(window.heightPx * window.widthPx * 3);

  let at = 0;
  for (let row = 0; row < window.heightPx; row += 1) {
    const top = (rows.lower[row] as number) * stride;
    const bottom = (rows.upper[row] as number) * stride;
    const down = rows.weight[row] as number;
    for (let column = 0; column < window.widthPx; column += 1) {
      const left = (columns.lower[column] as number) * 3;
      const right = (columns.upper[column] as number) * 3;
      const across = columns.weight[column] as number;
      for (let channel = 0; channel < 3; channel += 1) {
        // In bounds: the neighbours were clamped to the picture.
        const topLeft = pixels[top + left + channel] as number;
        const topRight = pixels[top + right + channel] as number;
        const bottomLeft = pixels[bottom + left + channel] as number;
        const bottomRight = pixels[bottom + right + channel] as number;
        const above = topLeft + (topRight - topLeft) * across;
        const below = bottomLeft + (bottomRight - bottomLeft) * across;
        result[at++] = above + (below - above) * down;
      }
    }
  }
  return result;
}

interface Range {
  readonly coordinates: Coordinates;
  readonly start: number;
  readonly count: number;
}

const rowRange = ({ topPx, heightPx }: Window) => ({ start: topPx, count: heightPx });
const columnRange = ({ leftPx, widthPx }: Window) => ({ start: leftPx, count: widthPx });

/** For each position of one axis: the two source positions it lies between, and how far towards the second. */
function neighbours(sourceSize: number, targetSize: number, { coordinates, start, count }: Range) {
  // TensorFlow computes in float32, which shows where a position falls next to a whole number.
  const scale = Math.fround(sourceSize / targetSize);
  const lower = new Int32Array(count);
  const upper = new Int32Array(count);
  const weight = new Float32Array(count);
  for (let index = 0; index < count; index += 1) {
    const position = start + index;
    const source =
      coordinates === "tensorflow-1"
        ? Math.fround(position * scale)
        : Math.fround(Math.fround((position + 0.5) * scale) - 0.5);
    const floor = Math.floor(source);
    lower[index] = Math.max(0, floor);
    upper[index] = Math.min(floor + 1, sourceSize - 1);
    weight[index] = source - floor;
  }
  return { lower, upper, weight };
}
