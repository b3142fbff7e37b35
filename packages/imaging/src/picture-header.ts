import { TooLargeError, UnsupportedMediaError } from "@tensorgate/core";
import { type PictureFormat, sniffFormat } from "./picture-format.ts";

export interface PictureSize {
  readonly widthPx: number;
  readonly heightPx: number;
}

/** What the first bytes of a picture tell, without decoding it. */
export interface PictureHeader {
  readonly format: PictureFormat;
  /** Absent where the format keeps its size out of reach. */
  readonly size?: PictureSize;
}

/**
 * Reads what a picture is and how large, from its bytes alone.
 *
 * @throws UnsupportedMediaError if it is not a picture, or ends before its header does
 */
export function readPictureHeader(bytes: Uint8Array): PictureHeader {
  const format = sniffFormat(bytes);
  if (format === undefined) {
    throw new UnsupportedMediaError("this is not a picture", {
      hint: "send a JPEG or a PNG; the bytes tell, not the content type",
    });
  }
  const readSize = sizeReaders[format];
  if (!readSize) return { format };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let size: PictureSize | undefined;
  try {
    size = readSize(view);
  } catch (cause) {
    // A DataView throws at the end of the bytes: that is the check of every read below.
    if (!(cause instanceof RangeError)) throw cause;
    throw new UnsupportedMediaError(`the ${format} picture ends before its header does`, { cause });
  }
  if (!size || size.widthPx === 0 || size.heightPx === 0) {
    throw new UnsupportedMediaError(`the ${format} picture's header has no size`);
  }
  return { format, size };
}

export interface PictureLimits {
  /** Width times height. */
  readonly maxPixels: number;
}

/** @throws TooLargeError that tells size and limit; a picture that hides its size passes */
export function assertPictureWithinLimits(
  { size }: PictureHeader,
  { maxPixels }: PictureLimits,
): void {
  if (!size || size.widthPx * size.heightPx <= maxPixels) return;
  throw new TooLargeError(
    `the picture is ${size.widthPx}×${size.heightPx} pixels; the limit is ${maxPixels / 1e6} megapixels`,
    { hint: "make it smaller: models look at a few hundred pixels" },
  );
}

/** @throws RangeError at the end of the bytes */
type ReadSize = (view: DataView) => PictureSize | undefined;

const sizeReaders: Readonly<Partial<Record<PictureFormat, ReadSize>>> = {
  jpeg: jpegSize,
  // IHDR is the first chunk by rule (PNG specification, section 5.6).
  png: (view) => ({ widthPx: view.getUint32(16), heightPx: view.getUint32(20) }),
  gif: (view) => ({ widthPx: view.getUint16(6, true), heightPx: view.getUint16(8, true) }),
  webp: webpSize,
  bmp: (view) => ({
    widthPx: Math.abs(view.getInt32(18, true)),
    heightPx: Math.abs(view.getInt32(22, true)),
  }),
};

/** Goes from segment to segment up to the frame header. @see ITU-T T.81, annex B */
function jpegSize(view: DataView): PictureSize | undefined {
  let offset = 2;
  for (;;) {
    if (view.getUint8(offset) !== 0xff) return undefined;
    const marker = view.getUint8(offset + 1);
    if (marker === 0xff) {
      offset += 1;
      continue;
    }
    const isStandalone = marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8);
    if (isStandalone) {
      offset += 2;
      continue;
    }
    // SOF0 to SOF15, without DHT, JPG and DAC, which are numbered among them.
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) {
      return { heightPx: view.getUint16(offset + 5), widthPx: view.getUint16(offset + 7) };
    }
    // After the start of a scan there is no header to come.
    if (marker === 0xda || marker === 0xd9) return undefined;
    offset += 2 + view.getUint16(offset + 2);
  }
}

/** @see RFC 9649 */
function webpSize(view: DataView): PictureSize | undefined {
  const chunk = String.fromCharCode(...[12, 13, 14, 15].map((at) => view.getUint8(at)));
  const uint24 = (at: number) => view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
  switch (chunk) {
    case "VP8 ":
      return {
        widthPx: view.getUint16(26, true) & 0x3fff,
        heightPx: view.getUint16(28, true) & 0x3fff,
      };
    case "VP8L": {
      const bits = view.getUint32(21, true);
      return { widthPx: (bits & 0x3fff) + 1, heightPx: ((bits >>> 14) & 0x3fff) + 1 };
    }
    case "VP8X":
      return { widthPx: uint24(24) + 1, heightPx: uint24(27) + 1 };
    default:
      return undefined;
  }
}
