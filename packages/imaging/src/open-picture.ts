import { UnsupportedMediaError } from "@tensorgate/core";
import sharp, { type Sharp } from "sharp";
import type { PictureFormat } from "./header/picture-format.ts";
import {
  assertPictureWithinLimits,
  defaultMaxSidePx,
  type PictureHeader,
  type PictureLimits,
  type PictureSize,
  readPictureHeader,
} from "./header/picture-header.ts";

export interface DecodeOptions extends PictureLimits {
  /**
   * Turns the picture as its Exif says. TensorFlow's decoders do not.
   * @default false
   */
  readonly oriented?: boolean;
  /**
   * Formats to decode beside `decodableFormats`.
   * @default []
   */
  readonly alsoFormats?: readonly OptionalFormat[];
}

/** Formats that are decoded only where somebody asked for them: their decoders are large, and seldom needed. */
export const optionalFormats = ["tiff", "heic"] as const;

export type OptionalFormat = (typeof optionalFormats)[number];

/** Formats that this package decodes. */
export const decodableFormats: ReadonlySet<PictureFormat> = new Set([
  "jpeg",
  "png",
  "gif",
  "webp",
  "avif",
]);

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

/**
 * Begins to decode a picture: no colour profile, no alpha, sRGB, the first frame of several.
 *
 * @throws UnsupportedMediaError if it is not a picture of a format that may be decoded
 * @throws TooLargeError if it has more pixels than `options` say
 */
export async function openPicture(bytes: Uint8Array, options: DecodeOptions): Promise<OpenPicture> {
  const { maxPixels, maxSidePx = defaultMaxSidePx, oriented = false, alsoFormats = [] } = options;
  const header = readPictureHeader(bytes);
  const { format } = header;
  assertPictureWithinLimits(header, { maxPixels, maxSidePx });
  const allowed: readonly PictureFormat[] = [...decodableFormats, ...alsoFormats];
  if (!allowed.includes(format)) {
    throw new UnsupportedMediaError(`${format} pictures cannot be decoded`, {
      hint: `send ${allowed.join(", ")}`,
    });
  }
  if (format === "tiff") sharp.unblock({ operation: ["VipsForeignLoadTiffBuffer"] });
  const opened = sharp(bytes, {
    ignoreIcc: true,
    failOn: "truncated",
    limitInputPixels: maxPixels,
    autoOrient: oriented,
  });
  if (!header.size) {
    const size = await hiddenSize(opened, format);
    assertPictureWithinLimits({ size }, { maxPixels, maxSidePx });
  }
  return { header, pixels: opened.toColourspace("srgb").removeAlpha() };
}

/** What a decoder says where the header reader found no size. */
async function hiddenSize(picture: Sharp, format: PictureFormat): Promise<PictureSize> {
  try {
    const { width, height } = await picture.metadata();
    return { widthPx: width, heightPx: height };
  } catch (cause) {
    throw cannotBeDecoded(format, cause);
  }
}

export interface OpenPicture {
  readonly header: PictureHeader;
  readonly pixels: Sharp;
}

/** What libvips says of a picture goes to our own logs only. */
export function cannotBeDecoded(format: PictureFormat, cause: unknown): UnsupportedMediaError {
  return new UnsupportedMediaError(`the ${format} picture cannot be decoded`, {
    hint:
      format === "heic"
        ? "HEIC requires a libvips build with an HEVC decoder; send a JPEG"
        : "it may be truncated or damaged",
    cause,
  });
}
