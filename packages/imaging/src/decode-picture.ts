import { UnsupportedMediaError } from "@tensorgate/core";
import sharp from "sharp";
import type { PictureFormat } from "./picture-format.ts";
import {
  assertPictureWithinLimits,
  type PictureLimits,
  readPictureHeader,
} from "./picture-header.ts";

/** Interleaved 8-bit pixels, row-major: shape `[heightPx, widthPx, 3]`. */
export interface RgbImage {
  readonly heightPx: number;
  readonly widthPx: number;
  readonly pixels: Uint8Array;
}

// A server sees each picture once, and decodes several at a time anyway.
sharp.cache(false);
sharp.concurrency(1);
// Of all that libvips can load, only these from memory: no SVG, no PDF, nothing from a file.
sharp.block({ operation: ["VipsForeignLoad"] });
sharp.unblock({
  operation: [
    "VipsForeignLoadJpegBuffer",
    "VipsForeignLoadPngBuffer",
    "VipsForeignLoadNsgifBuffer",
    "VipsForeignLoadWebpBuffer",
    "VipsForeignLoadHeifBuffer",
  ],
});

/** Formats that this package decodes. */
export const decodableFormats: ReadonlySet<PictureFormat> = new Set([
  "jpeg",
  "png",
  "gif",
  "webp",
  "avif",
]);

/**
 * Decodes a picture as TensorFlow's accurate decoder does: no rotation by EXIF, no colour profile, no alpha,
 * the first frame of several, 8 bits a channel.
 *
 * @throws UnsupportedMediaError if it is not a picture that can be decoded, or is cut short
 * @throws TooLargeError if it has more pixels than `limits` say; nothing is decoded then
 */
export async function decodePicture(bytes: Uint8Array, limits: PictureLimits): Promise<RgbImage> {
  const header = readPictureHeader(bytes);
  assertPictureWithinLimits(header, limits);
  if (!decodableFormats.has(header.format)) {
    throw new UnsupportedMediaError(`${header.format} pictures cannot be decoded`, {
      hint: `send ${[...decodableFormats].join(", ")}`,
    });
  }
  try {
    const { data, info } = await sharp(bytes, {
      ignoreIcc: true,
      failOn: "truncated",
      limitInputPixels: limits.maxPixels,
    })
      .toColourspace("srgb")
      .removeAlpha()
      .raw({ depth: "uchar" })
      .toBuffer({ resolveWithObject: true });
    return { heightPx: info.height, widthPx: info.width, pixels: asRgb(data, info.channels) };
  } catch (cause) {
    throw new UnsupportedMediaError(`the ${header.format} picture cannot be decoded`, {
      hint: "it may be cut short or damaged",
      cause,
    });
  }
}

/** Grey pictures come out with one channel; models take three. */
function asRgb(data: Uint8Array, channels: number): Uint8Array {
  if (channels === 3) return data;
  const pixels = new Uint8Array((data.length / channels) * 3);
  for (let pixel = 0; pixel * channels < data.length; pixel += 1) {
    pixels.fill(data[pixel * channels] ?? 0, pixel * 3, pixel * 3 + 3);
  }
  return pixels;
}
