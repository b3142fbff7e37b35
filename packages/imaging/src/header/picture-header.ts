import { TooLargeError, UnsupportedMediaError } from "@tensorgate/core";
import { bmpHeader } from "./bmp-header.ts";
import { gifHeader } from "./gif-header.ts";
import type {
  HeaderInfo,
  HeaderSteps,
  PictureFormat,
  PictureSize,
  ReadHeader,
} from "./header-info.ts";
import { isoMediaHeader } from "./iso-media-header.ts";
import { jpegHeader } from "./jpeg-header.ts";
import { pngHeader } from "./png-header.ts";
import { tiffHeader } from "./tiff-header.ts";
import { webpHeader } from "./webp-header.ts";

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
  createSteps?: (format: PictureFormat) => HeaderSteps,
): PictureHeader {
  const format = sniffFormat(bytes);
  if (format === undefined) {
    throw new UnsupportedMediaError("not an image in a known format", {
      hint: "send a JPEG or a PNG; the format is detected from the bytes",
    });
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const steps = createSteps ? createSteps(format) : new CountedSteps(format);
  let info: HeaderInfo;
  try {
    info = headerReaders[format](view, steps);
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
  const { orientation = 1, isBaseline = true } = info;
  return { ...info, format, orientation, isBaseline };
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

const headerReaders: Readonly<Record<PictureFormat, ReadHeader>> = {
  jpeg: jpegHeader,
  png: pngHeader,
  webp: webpHeader,
  avif: isoMediaHeader,
  // libheif and the systems that read HEIC transform it themselves, and few gateways could.
  heic: (view, steps) => ({ ...isoMediaHeader(view, steps), isBaseline: true }),
  tiff: tiffHeader,
  gif: gifHeader,
  bmp: bmpHeader,
};

/** Tells a format by its first bytes. The content type that a caller names is never asked. */
export function sniffFormat(bytes: Uint8Array): PictureFormat | undefined {
  // libjpeg looks for the next 0xFF itself.
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return "jpeg";
  for (const [format, texts] of beginnings) {
    for (const text of texts) if (hasText(bytes, 0, text)) return format;
  }
  if (hasText(bytes, 0, "RIFF") && hasText(bytes, 8, "WEBP")) return "webp";
  if (!hasText(bytes, 4, "ftyp")) return undefined;
  return brands.find(([, names]) => hasBrand(bytes, names))?.[0];
}

/** What files of other formats begin with, in Latin-1. */
const beginnings: readonly (readonly [PictureFormat, readonly string[]])[] = [
  ["png", ["\x89PNG\r\n\x1a\n"]],
  ["gif", ["GIF87a", "GIF89a"]],
  ["tiff", ["II*\0", "MM\0*"]],
  ["bmp", ["BM"]],
];

/** What an ISO media file says it is, first or among what it is compatible with. */
const brands: readonly (readonly [PictureFormat, readonly string[]])[] = [
  ["avif", ["avif", "avis"]],
  ["heic", ["heic", "heix", "hevc", "mif1", "msf1"]],
];

/** Whether `text`, in Latin-1, stands at `offset`. */
function hasText(bytes: Uint8Array, offset: number, text: string): boolean {
  for (let index = 0; index < text.length; index += 1) {
    if (bytes[offset + index] !== text.charCodeAt(index)) return false;
  }
  return true;
}

/** Whether an ISO media file is of one of these brands. */
function hasBrand(bytes: Uint8Array, names: readonly string[]): boolean {
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
  const end = Math.min(length, bytes.byteLength, maxBrandBytes);
  for (let at = 8; at + 4 <= end; at += 4) {
    // After the first brand comes a version.
    if (at !== 12 && names.some((each) => hasText(bytes, at, each))) return true;
  }
  return false;
}

/** A file that claims more brands than fit in here is no picture. */
const maxBrandBytes = 256;

/**
 * Most parts of one header. As many full segments of a JPEG as a message of 64 MiB can hold are 1,024; the chunks before a
 * WebP's Exif are one for each frame of an animation, and these are eleven minutes of one with 25 a second. Going
 * through as many takes less than a millisecond.
 */
export const maxHeaderParts = 16_384;

/** Most bytes between the segments of one JPEG: as many as a segment has, for writers that fill up the place of one. */
export const maxSkippedBytes = 65_536;

/** The counter of one header. A class, so that those of all headers share its methods. */
export class CountedSteps implements HeaderSteps {
  partCount: number;
  skippedBytes: number;
  readonly #format: string;

  /** @param format - for the message */
  constructor(format: string) {
    this.partCount = 0;
    this.skippedBytes = 0;
    this.#format = format;
  }

  countPart(): void {
    this.partCount += 1;
    if (this.partCount <= maxHeaderParts) return;
    throw tooLong(this.#format, `${maxHeaderParts} segments, chunks, boxes or directory entries`);
  }

  countSkippedByte(): void {
    this.skippedBytes += 1;
    if (this.skippedBytes <= maxSkippedBytes) return;
    throw tooLong(this.#format, `${maxSkippedBytes} bytes between its segments`);
  }
}

function tooLong(format: string, limit: string): UnsupportedMediaError {
  return new UnsupportedMediaError(`the ${format} picture's header has more than ${limit}`, {
    hint: "save it again without metadata",
  });
}
