import type { PictureFormat } from "../header/header-info.ts";
import {
  assertPictureWithinLimits,
  type PictureHeader,
  readPictureHeader,
} from "../header/picture-header.ts";
import type { DecodeRequest } from "./decode-message.ts";

/** What is known of a decode before it begins. */
export interface DecodeWork {
  readonly header: Pick<PictureHeader, "format" | "size" | "codedSize" | "isProgressive">;
  /** Of the encoded picture. */
  readonly byteCount: number;
  /** What a picture is taken for that keeps its size out of reach. */
  readonly maxPixels: number;
  /** Whether it is encoded again afterwards. */
  readonly isConverted: boolean;
}

/**
 * Estimates how long a decode takes, in milliseconds of one core of 2024. Callers' shares are reckoned by it until the decode
 * has ended and its real time is known, so that it need not be exact: it tells large from small.
 */
export function decodeCostMs({ header, byteCount, maxPixels, isConverted }: DecodeWork): number {
  const { format, size, codedSize, isProgressive = false } = header;
  const pixelCounts = [size, codedSize].flatMap((each) =>
    each ? [each.widthPx * each.heightPx] : [],
  );
  const megapixels = (size ? Math.max(...pixelCounts) : maxPixels) / 1e6;
  const { perMegapixel, perMegabyte, passes } = costs[format];
  const decoding = megapixels * perMegapixel + (byteCount / 1e6) * perMegabyte;
  const encoding = isConverted ? megapixels * encodingPerMegapixel : 0;
  return fixedMs + decoding * (isProgressive ? passes : 1) + encoding;
}

/**
 * The same for what a decoder is asked.
 *
 * @throws UnsupportedMediaError, TooLargeError for a picture whose header tells that it need not be tried
 */
export function requestCostMs({ bytes, options, preprocessing }: DecodeRequest): number {
  const header = readPictureHeader(bytes);
  assertPictureWithinLimits(header, options);
  return decodeCostMs({
    header,
    byteCount: bytes.byteLength,
    maxPixels: options.maxPixels,
    isConverted: preprocessing === undefined,
  });
}

/** For the message to the process and back, in milliseconds. */
const fixedMs = 1;

/** Of a PNG or a JPEG of the best usual quality, in milliseconds. */
const encodingPerMegapixel = 40;

interface FormatCost {
  /** Of a picture of one colour, in milliseconds. */
  readonly perMegapixel: number;
  /** What detail adds to that, in milliseconds. */
  readonly perMegabyte: number;
  /** How many times as long a progressive or interlaced one takes. */
  readonly passes: number;
}

/** Measured with libvips 8.18 on pictures of 12 megapixels, of one colour and of noise. */
const costs: Readonly<Record<PictureFormat, FormatCost>> = {
  jpeg: { perMegapixel: 4, perMegabyte: 13, passes: 3 },
  png: { perMegapixel: 3, perMegabyte: 5, passes: 2.5 },
  gif: { perMegapixel: 17, perMegabyte: 20, passes: 1 },
  webp: { perMegapixel: 12, perMegabyte: 100, passes: 1 },
  avif: { perMegapixel: 30, perMegabyte: 280, passes: 1 },
  heic: { perMegapixel: 30, perMegabyte: 280, passes: 1 },
  tiff: { perMegapixel: 4, perMegabyte: 5, passes: 1 },
  bmp: { perMegapixel: 4, perMegabyte: 5, passes: 1 },
};
