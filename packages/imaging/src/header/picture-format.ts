/** Formats that are recognised; whether one can be decoded, and by whom, is another question. */
export type PictureFormat = "jpeg" | "png" | "gif" | "webp" | "avif" | "heic" | "tiff" | "bmp";

export interface PictureSize {
  readonly widthPx: number;
  readonly heightPx: number;
}

/** What the reader of one format finds in a header; what is absent has its usual value. */
export interface HeaderInfo {
  /**
   * As it is decoded, before it is turned by Exif: with the transformations of an AVIF, and all of the screen of a GIF.
   * Absent where the format keeps its size out of reach.
   */
  readonly size?: PictureSize;
  /** The largest picture that a decoder makes on the way to `size`; absent where that is `size`. */
  readonly codedSize?: PictureSize;
  /** By Exif: 1 is upright. */
  readonly orientation?: number;
  /** Whether its pixels come in several passes, which takes a decoder longer and all of the picture in memory. */
  readonly isProgressive?: boolean;
  /** Whether every decoder of the format reads it, and reads the same: not so with CMYK or 12 bits in a JPEG. */
  readonly isBaseline?: boolean;
  /** How a CMYK picture stores its four inks: as they are, or 255 minus that, as Adobe writes them. */
  readonly inks?: "plain" | "inverted";
}

/** Tells a format by its first bytes. The content type that a caller names is never asked. */
export function sniffFormat(bytes: Uint8Array): PictureFormat | undefined {
  for (const [format, texts] of beginnings) {
    for (const text of texts) if (hasText(bytes, 0, text)) return format;
  }
  if (hasText(bytes, 0, "RIFF") && hasText(bytes, 8, "WEBP")) return "webp";
  if (!hasText(bytes, 4, "ftyp")) return undefined;
  return brands.find(([, names]) => hasBrand(bytes, names))?.[0];
}

/** What files of a format begin with, in Latin-1. */
const beginnings: readonly (readonly [PictureFormat, readonly string[]])[] = [
  // libjpeg looks for the next 0xFF itself.
  ["jpeg", ["\xff\xd8"]],
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
