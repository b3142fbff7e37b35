import { TooLargeError, UnsupportedMediaError } from "@tensorgate/core";
import { gifHeader } from "./gif-header.ts";
import { createHeaderSteps, type HeaderSteps } from "./header-steps.ts";
import { isoMediaHeader } from "./iso-media-header.ts";
import { jpegHeader } from "./jpeg-header.ts";
import {
  type HeaderInfo,
  type PictureFormat,
  type PictureSize,
  sniffFormat,
} from "./picture-format.ts";
import { pngHeader } from "./png-header.ts";
import { tiffHeader } from "./tiff-header.ts";
import { webpHeader } from "./webp-header.ts";

export type { PictureSize };

/** What the first bytes of a picture tell, without decoding it. */
export interface PictureHeader extends HeaderInfo {
  readonly format: PictureFormat;
  readonly orientation: number;
  readonly isBaseline: boolean;
}

/**
 * Reads what a picture is and how large, from its bytes alone, in a bounded number of steps.
 *
 * @param createSteps - creates the counter of steps; a test looks at it afterwards
 * @throws UnsupportedMediaError if it is not a picture, ends before its header does, or has a header of more parts
 *   than pictures have
 */
export function readPictureHeader(
  bytes: Uint8Array,
  createSteps: (format: PictureFormat) => HeaderSteps = createHeaderSteps,
): PictureHeader {
  const format = sniffFormat(bytes);
  if (format === undefined) {
    throw new UnsupportedMediaError("not an image in a known format", {
      hint: "send a JPEG or a PNG; the format is detected from the bytes",
    });
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let info: HeaderInfo;
  try {
    info = headerReaders[format](view, createSteps(format));
  } catch (cause) {
    // A DataView throws at the end of the bytes: that is the check of every read of the readers.
    if (!(cause instanceof RangeError)) throw cause;
    throw new UnsupportedMediaError(`the header of the ${format} picture is truncated`, { cause });
  }
  const { size } = info;
  const mayHideSize = format === "avif" || format === "heic";
  if (size ? size.widthPx === 0 || size.heightPx === 0 : !mayHideSize) {
    throw new UnsupportedMediaError(`the ${format} picture's header has no size`);
  }
  return { format, orientation: 1, isBaseline: true, ...info };
}

/** The size of a picture once it is turned as its orientation says. */
export function orientedSize(size: PictureSize, orientation: number): PictureSize {
  // From 5 on it lies on its side.
  return orientation < 5 ? size : { widthPx: size.heightPx, heightPx: size.widthPx };
}

/** Whether a decoder that reads `formats`, and ignores Exif, shows the picture as people see it. */
export function needsNoConversion(
  { format, orientation, isBaseline }: PictureHeader,
  formats: ReadonlySet<PictureFormat>,
): boolean {
  return formats.has(format) && orientation === 1 && isBaseline;
}

export interface PictureLimits {
  /** Width times height. */
  readonly maxPixels: number;
  /**
   * Longest side, in pixels.
   * @default 16_384
   */
  readonly maxSidePx?: number;
}

/**
 * Longest side that is decoded by default, in pixels. Decoders work row by row: a picture of one column and
 * 25 million rows takes them fifty times as long as a square one. WebP ends at 16,383, and so do panoramas of phones.
 */
export const defaultMaxSidePx = 16_384;

/** @throws TooLargeError that tells size and limit; a picture that hides its size passes */
export function assertPictureWithinLimits(
  { size, codedSize }: Pick<PictureHeader, "size" | "codedSize">,
  { maxPixels, maxSidePx = defaultMaxSidePx }: PictureLimits,
): void {
  for (const each of [size, codedSize]) {
    if (!each) continue;
    const { widthPx, heightPx } = each;
    const limit =
      widthPx * heightPx > maxPixels
        ? `${maxPixels / 1e6} megapixels`
        : Math.max(widthPx, heightPx) > maxSidePx
          ? `${maxSidePx} pixels a side`
          : undefined;
    if (limit === undefined) continue;
    throw new TooLargeError(`the picture is ${widthPx}×${heightPx} pixels; the limit is ${limit}`, {
      hint: "send a smaller picture; models use a few hundred pixels",
    });
  }
}

/** @throws RangeError at the end of the bytes */
type ReadHeader = (view: DataView, steps: HeaderSteps) => HeaderInfo;

const headerReaders: Readonly<Record<PictureFormat, ReadHeader>> = {
  jpeg: jpegHeader,
  png: pngHeader,
  webp: webpHeader,
  avif: isoMediaHeader,
  // libheif and the systems that read HEIC transform it themselves, and few gateways could.
  heic: (view, steps) => ({ ...isoMediaHeader(view, steps), isBaseline: true }),
  tiff: tiffHeader,
  gif: gifHeader,
  bmp: (view) => ({
    size: {
      widthPx: Math.abs(view.getInt32(18, true)),
      heightPx: Math.abs(view.getInt32(22, true)),
    },
  }),
};
