/** Formats that are recognised; whether one can be decoded, and by whom, is another question. */
export type PictureFormat = "jpeg" | "png" | "gif" | "webp" | "avif" | "heic" | "tiff" | "bmp";

/** Tells a format by its first bytes. The content type that a caller names is never asked. */
export function sniffFormat(bytes: Uint8Array): PictureFormat | undefined {
  return signatures.find(({ matches }) => matches(bytes))?.format;
}

interface FormatSignature {
  readonly format: PictureFormat;
  readonly matches: (bytes: Uint8Array) => boolean;
}

/** Whether `text`, in Latin-1, stands at `offset`. */
function hasText(bytes: Uint8Array, offset: number, text: string): boolean {
  for (let index = 0; index < text.length; index += 1) {
    if (bytes[offset + index] !== text.charCodeAt(index)) return false;
  }
  return true;
}

const starts =
  (...texts: readonly string[]) =>
  (bytes: Uint8Array) =>
    texts.some((text) => hasText(bytes, 0, text));

/** Whether an ISO media file says, first or among what it is compatible with, that it is of one of these brands. */
const hasBrand =
  (...brands: readonly string[]) =>
  (bytes: Uint8Array) => {
    if (!hasText(bytes, 4, "ftyp")) return false;
    const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
    const end = Math.min(length, bytes.byteLength, maxBrandBytes);
    for (let at = 8; at + 4 <= end; at += 4) {
      // After the first brand comes a version.
      if (at !== 12 && brands.some((each) => hasText(bytes, at, each))) return true;
    }
    return false;
  };

/** A file that claims more brands than fit in here is no picture. */
const maxBrandBytes = 256;

const signatures: readonly FormatSignature[] = [
  { format: "jpeg", matches: starts("\xff\xd8\xff") },
  { format: "png", matches: starts("\x89PNG\r\n\x1a\n") },
  { format: "gif", matches: starts("GIF87a", "GIF89a") },
  { format: "webp", matches: (bytes) => hasText(bytes, 0, "RIFF") && hasText(bytes, 8, "WEBP") },
  { format: "avif", matches: hasBrand("avif", "avis") },
  { format: "heic", matches: hasBrand("heic", "heix", "hevc", "mif1", "msf1") },
  { format: "tiff", matches: starts("II*\0", "MM\0*") },
  { format: "bmp", matches: starts("BM") },
];
