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

/** The brand of an ISO media file: what kind of picture is in the box. */
const brand =
  (...brands: readonly string[]) =>
  (bytes: Uint8Array) =>
    hasText(bytes, 4, "ftyp") && brands.some((each) => hasText(bytes, 8, each));

const signatures: readonly FormatSignature[] = [
  { format: "jpeg", matches: starts("\xff\xd8\xff") },
  { format: "png", matches: starts("\x89PNG\r\n\x1a\n") },
  { format: "gif", matches: starts("GIF87a", "GIF89a") },
  { format: "webp", matches: (bytes) => hasText(bytes, 0, "RIFF") && hasText(bytes, 8, "WEBP") },
  { format: "avif", matches: brand("avif", "avis") },
  { format: "heic", matches: brand("heic", "heix", "hevc", "mif1", "msf1") },
  { format: "tiff", matches: starts("II*\0", "MM\0*") },
  { format: "bmp", matches: starts("BM") },
];
