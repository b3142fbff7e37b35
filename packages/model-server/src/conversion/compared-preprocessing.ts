import { float32Values, type Preprocessing } from "@tensorgate/core";
import { type PictureSize, preprocessPicture, type RgbImage } from "@tensorgate/imaging";
import { type Conversion, SavedModelError } from "@tensorgate/savedmodel";

/** How near the declared preparation of pictures is to that of the graph. */
export interface PreprocessingCheck {
  /** Pictures that were compared: those that both place alike. */
  readonly pictureCount: number;
  /** Largest difference of a value before the network, in units of pixels (0..255). */
  readonly maxDifference: number;
}

/** Largest difference that is accepted, in units of pixels (0..255). */
const maxDifference = 0.01;

/** Landscape, portrait, odd and small: the sides are scaled by shares that floats round differently. */
const comparedSizes = [
  { heightPx: 480, widthPx: 640 },
  { heightPx: 500, widthPx: 333 },
  { heightPx: 257, widthPx: 389 },
  { heightPx: 120, widthPx: 160 },
];

/** Draws the pictures that a declared preparation is compared on: the same each time, with detail everywhere. */
export const drawComparedPictures = (): readonly RgbImage[] => comparedSizes.map(drawnPicture);

function drawnPicture(size: PictureSize): RgbImage {
  const pixels = new Uint8Array(size.heightPx * size.widthPx * 3);
  let state = size.widthPx;
  for (let at = 0; at < pixels.length; at += 1) {
    // Noise on a slope: a resize that looks at other neighbours gives other values.
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    const slope = (Math.floor(at / 3) % size.widthPx) / size.widthPx;
    pixels[at] = 128 * slope + (state >>> 25);
  }
  return { ...size, pixels };
}

/**
 * Compares what gateways and servers make of pictures by a declared preparation with what the graph makes of them.
 *
 * @param pictures - those that were given to the conversion
 * @returns undefined if the graph takes no pictures
 * @throws SavedModelError if they differ by more than 0.01 of 255
 */
export function comparedPreprocessing(
  { preprocessing, prepared }: Pick<Conversion, "preprocessing" | "prepared">,
  pictures: readonly RgbImage[],
): PreprocessingCheck | undefined {
  if (!preprocessing) return undefined;
  const differences = prepared.flatMap(({ tensor, isPlacedAlike }, index) => {
    const image = pictures[index];
    if (!image || !isPlacedAlike) return [];
    const made = float32Values(preprocessPicture(image, preprocessing));
    return [differenceOf(made, float32Values(tensor), preprocessing)];
  });
  const check = { pictureCount: differences.length, maxDifference: Math.max(0, ...differences) };
  if (!(check.maxDifference <= maxDifference) || check.pictureCount === 0) {
    throw new SavedModelError(
      "unsupported",
      `what the graph does to pictures cannot be declared: ${check.maxDifference.toPrecision(2)} of 255 lie between its pixels and those of the declaration; name the tensor after it as the input, and prepare the pictures yourself`,
    );
  }
  return check;
}

function differenceOf(made: Float32Array, wanted: Float32Array, { scale }: Preprocessing): number {
  const scales = typeof scale === "number" ? [scale] : scale;
  const unit = 1 / Math.min(...scales.map(Math.abs));
  if (made.length !== wanted.length) return Number.POSITIVE_INFINITY;
  let most = 0;
  for (const [index, value] of made.entries()) {
    most = Math.max(most, Math.abs(value - (wanted[index] as number)) * unit);
  }
  return most;
}
