import { UnsupportedMediaError } from "@tensorgate/core";
import sharp, { type Sharp } from "sharp";
import { type DecodeOptions, decodableFormats } from "./decode-options.ts";
import type { PictureFormat, PictureSize } from "./header/header-info.ts";
import {
  assertPictureWithinLimits,
  orientedSize,
  type PictureHeader,
  readPictureHeader,
} from "./header/picture-header.ts";

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

/** A picture that is decoded as far as its pixels are asked for. */
export interface OpenPicture {
  readonly format: PictureFormat;
  /** Of the pixels. */
  readonly size: PictureSize;
  /** No colour profile, no alpha, sRGB or grey, the first frame of several. */
  readonly pixels: Sharp;
}

/**
 * Begins to decode a picture. Its header alone says how it is turned, how large its canvas is and what its colours
 * mean, so that a picture that is sent as it is and one that is decoded are the same.
 *
 * @throws UnsupportedMediaError if it is not a picture of a format that may be decoded
 * @throws TooLargeError if it has more pixels than `options` say
 */
export async function openPicture(bytes: Uint8Array, options: DecodeOptions): Promise<OpenPicture> {
  const { maxPixels, oriented = false, additionalFormats = [] } = options;
  const header = readPictureHeader(bytes);
  const { format, inks } = header;
  assertPictureWithinLimits(header, options);
  const allowed: readonly PictureFormat[] = [...decodableFormats, ...additionalFormats];
  if (!allowed.includes(format)) {
    throw new UnsupportedMediaError(`${format} pictures cannot be decoded`, {
      hint: `send ${allowed.join(", ")}`,
    });
  }
  if (format === "tiff") sharp.unblock({ operation: ["VipsForeignLoadTiffBuffer"] });
  const decoder = sharp(format === "avif" ? underKnownBrand(bytes) : bytes, {
    ignoreIcc: true,
    failOn: "truncated",
    limitInputPixels: maxPixels,
  });
  const size = header.size ?? (await hiddenSize(decoder, format));
  assertPictureWithinLimits({ size }, options);
  const stored = inks
    ? await rgbFromInks({ decoder, format, inks })
    : decoder.toColourspace("srgb").removeAlpha();
  const pixels = onCanvas(stored, header);
  if (!oriented) return { format, size, pixels };
  return {
    format,
    size: orientedSize(size, header.orientation),
    pixels: turns[header.orientation - 1]?.(pixels) ?? pixels,
  };
}

/**
 * Encodes the pixels of a picture, or gives them as they are.
 *
 * @throws UnsupportedMediaError if they cannot be decoded, or their size is not what the header says
 */
export async function encodePixels(
  { format, size, pixels }: OpenPicture,
  encode: (pixels: Sharp) => Sharp,
): Promise<{ readonly data: Uint8Array; readonly size: PictureSize; readonly channels: number }> {
  const { data, info } = await decoded(format, () =>
    encode(pixels).toBuffer({ resolveWithObject: true }),
  );
  if (info.width !== size.widthPx || info.height !== size.heightPx) {
    throw cannotBeDecoded(
      format,
      new Error(
        `its header says ${size.widthPx}×${size.heightPx}, its pixels ${info.width}×${info.height}`,
      ),
    );
  }
  return { data, size, channels: info.channels };
}

/**
 * libvips knows a file by its first brand alone, and does not know that of animations. The still picture in them is that
 * of any AVIF.
 */
function underKnownBrand(bytes: Uint8Array): Uint8Array {
  const brand = Buffer.from(bytes.buffer, bytes.byteOffset + 8, 4).toString("latin1");
  if (brand !== "avis") return bytes;
  const still = Buffer.from(bytes);
  still.write("avif", 8, "latin1");
  return still;
}

/** What the decoder says where the header has no size. */
async function hiddenSize(decoder: Sharp, format: PictureFormat): Promise<PictureSize> {
  const { width, height } = await decoded(format, () => decoder.metadata());
  return { widthPx: width, heightPx: height };
}

/** Adds what a GIF's decoder leaves out of the screen, which is black, as everything that no frame covers. */
function onCanvas(pixels: Sharp, { format, size, codedSize }: PictureHeader): Sharp {
  if (format !== "gif" || !size || !codedSize) return pixels;
  return pixels.extend({
    right: size.widthPx - codedSize.widthPx,
    bottom: size.heightPx - codedSize.heightPx,
    background: "#000",
  });
}

/** How a picture of each Exif orientation is brought upright. Mirrors come before turns, however they are written. */
const turns: readonly ((pixels: Sharp) => Sharp)[] = [
  (pixels) => pixels,
  (pixels) => pixels.flop(),
  (pixels) => pixels.rotate(180),
  (pixels) => pixels.flip(),
  (pixels) => pixels.flop().rotate(270),
  (pixels) => pixels.rotate(90),
  (pixels) => pixels.flop().rotate(90),
  (pixels) => pixels.rotate(270),
];

interface InkedPicture {
  readonly decoder: Sharp;
  readonly format: PictureFormat;
  readonly inks: "plain" | "inverted";
}

/**
 * Mixes the inks of a CMYK picture by TensorFlow's plain formula, whatever profile it has: red is what cyan and black
 * leave. The fraction is rounded, as Pillow does it; TensorFlow cuts it, but decodes JPEG by another transform, so that
 * neither gives its very pixels.
 *
 * @see tensorflow/core/lib/jpeg/jpeg_mem.cc
 */
async function rgbFromInks({ decoder, format, inks }: InkedPicture): Promise<Sharp> {
  const { data, info } = await decoded(format, () =>
    decoder.pipelineColourspace("cmyk").toColourspace("cmyk").raw().toBuffer({
      resolveWithObject: true,
    }),
  );
  // libvips takes the inks of every JPEG for inverted ones, and gives 255 minus what is stored; not so of a TIFF.
  const hasLight = (inks === "plain") === (format === "jpeg");
  const remainder = hasLight ? 0 : 255;
  const pixels = new Uint8Array((data.length / 4) * 3);
  for (let from = 0, to = 0; from < data.length; from += 4, to += 3) {
    const light = Math.abs(remainder - (data[from + 3] as number));
    for (let ink = 0; ink < 3; ink += 1) {
      const paper = Math.abs(remainder - (data[from + ink] as number));
      pixels[to + ink] = Math.round((light * paper) / 255);
    }
  }
  return sharp(pixels, { raw: { width: info.width, height: info.height, channels: 3 } });
}

/** @throws UnsupportedMediaError in place of what libvips says, which goes to our own logs only */
async function decoded<Result>(
  format: PictureFormat,
  decode: () => Promise<Result>,
): Promise<Result> {
  try {
    return await decode();
  } catch (cause) {
    throw cannotBeDecoded(format, cause);
  }
}

function cannotBeDecoded(format: PictureFormat, cause: unknown): UnsupportedMediaError {
  return new UnsupportedMediaError(`the ${format} picture cannot be decoded`, {
    hint:
      format === "heic"
        ? "HEIC requires a libvips build with an HEVC decoder; send a JPEG"
        : "it may be truncated or damaged",
    cause,
  });
}
